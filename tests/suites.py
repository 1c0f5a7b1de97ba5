#!/usr/bin/env python3
"""Runs the test suites, several at a time, and prints where the time went, slowest suite first.

    tests/suites.py                     # all suites
    tests/suites.py promote failover    # these
    tests/suites.py --unit              # unit tests only: no broker is started
    tests/suites.py --check promote     # only checks that there are suites of these names

A suite is one test binary. cargo builds the binaries and names them; each then runs as cargo would run it, one test after
the other, because the tests of a suite share clusters. Different suites share nothing: each has clusters, ports and
directories of its own. So they run side by side, but for those that measure time or fill the machine (ALONE).
(cargo-nextest runs every test in a process of its own, so the tests of a suite could not share a cluster.)
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time

# Longest first, so that a long one does not run on alone at the end. Others follow in the order of their names.
LONGEST = [
    "soak", "client_matrix", "version_pairs", "two_linkgates", "leader_change", "rolling_restart", "hold",
    "stop_matrix", "hostile_loads", "security", "topic_life", "identity", "silent_clients", "stops",
]
# They measure how long others wait, or take all connections or all cores.
ALONE = {"hostile_loads", "silent_clients", "request_cost"}
# No suite takes longer.
TIMEOUT_SECONDS = 2400


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="name of a suite, as the table at the end shows it")
    parser.add_argument("--unit", action="store_true", help="unit tests only")
    parser.add_argument("--check", action="store_true", help="only check the names, and run nothing")
    parser.add_argument("--jobs", type=int, default=2, help="suites at a time (default: 2)")
    parser.add_argument("--threads", type=int, default=1, help="tests at a time within a suite (default: 1)")
    return parser.parse_args()


def name_of(target):
    """Name of the suite of a target of cargo; None if it has none."""
    label = {"test": "", "lib": " (unit)", "bin": " (bin)"}.get(target["kind"][0])
    return None if label is None else target["name"] + label


def check(suites, unit):
    """Ends with a sentence if a suite is not there. Builds nothing: a typing error must not cost a build."""
    command = ["cargo", "metadata", "--no-deps", "--format-version=1"]
    packages = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)["packages"]
    names = {name_of(target) for package in packages for target in package["targets"]} - {None}
    if unit:
        names = {name for name in names if name.endswith(")")}
    unknown = [name for name in suites if name not in names]
    if unknown:
        sys.exit(f"suites.py: no suite is called {', '.join(unknown)}; there are: {', '.join(sorted(names))}")


def built(unit):
    """Builds the test binaries. Returns (suite, executable, directory of the package) of each."""
    command = ["cargo", "test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"]
    command += ["--lib", "--bins"] if unit else []
    build = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if build.returncode != 0:
        sys.exit(build.returncode)
    found = []
    for line in build.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") != "compiler-artifact" or not message["profile"]["test"] or not message["executable"]:
            continue
        target, package = message["target"], os.path.dirname(message["manifest_path"])
        found.append((name_of(target), message["executable"], package))
    return found


class Suite:
    """One test binary: how to run it, and how it went."""

    def __init__(self, name, executable, directory):
        self.name, self.executable, self.directory = name, executable, directory
        self.wall = self.cpu = 0.0
        self.output, self.ok, self.tests = b"", False, 0

    def run(self, threads):
        begin = time.monotonic()
        environment = dict(os.environ, CARGO_MANIFEST_DIR=self.directory)
        # A file and not a pipe: a broker that outlives its suite would hold a pipe open.
        with tempfile.TemporaryFile() as output:
            child = subprocess.Popen(
                [self.executable, f"--test-threads={threads}"], cwd=self.directory, env=environment,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )
            timer = threading.Timer(TIMEOUT_SECONDS, child.kill)
            timer.start()
            _, status, usage = os.wait4(child.pid, 0)
            timer.cancel()
            output.seek(0)
            self.output = output.read()
        child.returncode = os.waitstatus_to_exitcode(status)
        self.ok = child.returncode == 0
        self.wall = time.monotonic() - begin
        self.cpu = usage.ru_utime + usage.ru_stime
        for line in self.output.decode(errors="replace").splitlines():
            if line.startswith("test result:"):
                self.tests += int(line.split(" passed")[0].rsplit(" ", 1)[1])


def run_all(suites, jobs, threads):
    lock = threading.Condition()
    waiting, running = list(suites), []

    def next_suite():
        """The first that may run now: one of ALONE runs when no other does."""
        for suite in waiting:
            if running and (suite.name in ALONE or any(other.name in ALONE for other in running)):
                continue
            return suite
        return None

    def worker():
        while True:
            with lock:
                while waiting and next_suite() is None:
                    lock.wait()
                if not waiting:
                    return
                suite = next_suite()
                waiting.remove(suite)
                running.append(suite)
            suite.run(threads)
            with lock:
                running.remove(suite)
                print(f"\n== {suite.name}: {'ok' if suite.ok else 'FAILED'} in {suite.wall:.0f} s", flush=True)
                sys.stdout.buffer.write(suite.output)
                sys.stdout.buffer.flush()
                lock.notify_all()

    workers = [threading.Thread(target=worker) for _ in range(max(1, jobs))]
    for each in workers:
        each.start()
    for each in workers:
        each.join()


def main():
    options = arguments()
    check(options.suites, options.unit)
    if options.check:
        return
    binaries = built(options.unit)
    rank = {name: number for number, name in enumerate(LONGEST)}
    suites = [Suite(*each) for each in binaries if not options.suites or each[0] in options.suites]
    # Those that run alone come first: at the end they would wait for the others.
    suites.sort(key=lambda suite: (suite.name not in ALONE, rank.get(suite.name, len(rank)), suite.name))
    begin = time.monotonic()
    run_all(suites, options.jobs, options.threads)
    print("\n   wall    cpu  tests  suite")
    for suite in sorted(suites, key=lambda suite: -suite.wall):
        if suite.tests or not suite.ok:
            failed = "" if suite.ok else "  FAILED"
            print(f"{suite.wall:6.0f}s {suite.cpu:5.0f}s {suite.tests:6}  {suite.name}{failed}")
    failed = [suite.name for suite in suites if not suite.ok]
    total = sum(suite.tests for suite in suites)
    print(f"{total} tests in {time.monotonic() - begin:.0f} s" + (f"; failed: {', '.join(failed)}" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
