#!/usr/bin/env bash
# Everything that a build, the tests and the demo need beside git, make and Rust. Says what it does when it does something.
#
#   tests/setup/all.sh              # all
#   tests/setup/all.sh build        # only what a build needs
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"$here/packages.sh"
"$here/../../state/rocksdb.sh" >/dev/null
[ "${1:-all}" != build ] || exit 0
"$here/kafka.sh"
"$here/python.sh"
"$here/go_client.sh" sarama produce
"$here/go_client.sh" franz franz
"$here/interop.sh"
