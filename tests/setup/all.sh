#!/usr/bin/env bash
# Everything that a build, the tests and the demo need beside git, make and Rust. Says what it does when it does something.
#
#   tests/setup/all.sh              # all
#   tests/setup/all.sh build        # only what `make build` needs
#   tests/setup/all.sh demo         # only what `make demo` needs
#   tests/setup/all.sh packages     # the programs that building and running the tests needs, but none of their downloads
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
what=${1:-all}
case $what in
  build | demo) "$here/packages.sh" "--$what" ;;
  *) "$here/packages.sh" ;;
esac
# The compiler and the downloads do not wait for each other.
"$here/../../state/rocksdb.sh" >/dev/null &
rocksdb=$!
trap 'kill $rocksdb 2>/dev/null || true' EXIT
case $what in
  demo)
    "$here/kafka.sh" 4.3.1
    "$here/python.sh"
    ;;
  all)
    "$here/kafka.sh"
    "$here/python.sh"
    "$here/go_client.sh" sarama produce
    "$here/go_client.sh" franz franz
    "$here/interop.sh"
    ;;
esac
wait $rocksdb
trap - EXIT
