"""What the Python programs of the client matrix have in common: arguments, the JSON lines, the group and the read step.

    PROGRAM bootstrap=HOST:PORT name=NAME steps=admin,produce,... mirrors=TOPIC:COUNT,... tail=MS

What each step does and prints stands in tests/src/interop/mod.rs.
"""
import json
import os
import sys
import threading
import time
import traceback

ARGS = dict(arg.split("=", 1) for arg in sys.argv[1:])
BOOTSTRAP = ARGS["bootstrap"]
PART = 120
_printing = threading.Lock()


def own(suffix):
    return ARGS["name"] + "-" + suffix


def say(line):
    with _printing:
        print(json.dumps(line), flush=True)


def wait_for(what, seconds, done):
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise RuntimeError("not within %s s: %s" % (seconds, what))
        time.sleep(0.02)


def settled(ask, wanted):
    """The answer, once it is the one that is wanted; after ten seconds whatever it is."""
    end = time.monotonic() + 10
    while True:
        answer = ask()
        if answer == wanted or time.monotonic() > end:
            return answer
        time.sleep(0.02)


def run(steps):
    """Runs the steps that were asked for; one that is missing from `steps` is not available."""
    for name in ARGS["steps"].split(","):
        line = {"step": name}
        try:
            line.update(steps[name]() if name in steps else {"na": True})
        except Exception as error:
            traceback.print_exc()
            line["error"] = "%s: %s" % (type(error).__name__, error)
        say(line)
    sys.stdout.flush()
    # A client's own threads must not keep the program.
    os._exit(0)


class Worker(threading.Thread):
    """A thread that remembers why it failed and stops when told."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopping = False
        self.failed = None

    def run(self):
        try:
            self.work()
        except Exception as error:
            traceback.print_exc()
            self.failed = "%s: %s" % (type(error).__name__, error)


def group(member, send):
    """`member()` makes a Worker with `records` ([partition, offset, value]) and `assigned` (how many partitions)."""
    first, second = member(), member()
    try:
        send(own("group"), 0, PART)
        first.start()
        wait_for("the first part is read", 20, lambda: len(first.records) >= PART)
        second.start()
        wait_for("both have partitions", 20, lambda: first.assigned == 2 and second.assigned == 2)
        send(own("group"), PART, PART)
        wait_for("the second part is read", 20, lambda: len(first.records) + len(second.records) >= 2 * PART)
        second.stopping = True
        second.join(15)
        wait_for("the first has all partitions", 20, lambda: first.assigned == 4)
        send(own("group"), 2 * PART, PART)
        wait_for("the third part is read", 20, lambda: len(first.records) + len(second.records) >= 3 * PART)
        time.sleep(0.3)
    finally:
        for worker in (first, second):
            worker.stopping = True
            if worker.is_alive():
                worker.join(15)
    for worker in (first, second):
        if worker.failed:
            raise RuntimeError(worker.failed)
    return {"first": first.records, "second": second.records}


def mirrors():
    """The mirror topics and how many records each of them shows."""
    return {pair.split(":")[0]: int(pair.split(":")[1]) for pair in ARGS["mirrors"].split(",")}


def read(reader):
    """`reader(variant, topics, group, fetch_bytes, isolation)` makes a Worker with `records` and `positions` by topic."""
    topics = mirrors()
    expected = sum(topics.values())
    readers = {}
    for variant in ("assign", "assign-small", "group", "group-small"):
        in_group = variant.startswith("group")
        readers[variant] = reader(
            variant,
            list(topics),
            own("read-" + variant) if in_group else None,
            1024 if variant.endswith("small") else 1048576,
            "read_uncommitted" if in_group else "read_committed",
        )
    for worker in readers.values():
        worker.start()
    end = time.monotonic() + 25
    while time.monotonic() < end and any(
        not r.failed and sum(map(len, r.records.values())) < expected for r in readers.values()
    ):
        time.sleep(0.05)
    # Whoever has to step over filler at the end of a log shall have done so.
    time.sleep(1)
    say({"tail": "begin"})
    time.sleep(int(ARGS["tail"]) / 1000)
    say({"tail": "end"})
    variants = {}
    for variant, worker in readers.items():
        worker.stopping = True
        worker.join(15)
        said = {"records": worker.records, "positions": worker.positions}
        if worker.failed:
            said["error"] = worker.failed
        variants[variant] = said
    return {"variants": variants}


class Reader(Worker):
    def __init__(self, variant, topics, group, fetch_bytes, isolation):
        super().__init__()
        self.variant, self.topics, self.group, self.fetch_bytes, self.isolation = variant, topics, group, fetch_bytes, isolation
        self.records = {topic: [] for topic in topics}
        self.positions = {}
