#!/usr/bin/env bash
# What the benchmarks compare with: MirrorMaker 2 from Maven, once, into the cache; HAProxy from the distribution.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=4.3.1

"$here/../tests/setup/packages.sh" haproxy
"$here/../tests/setup/kafka.sh" "$version" mirror-maker-"$version"
