#!/usr/bin/env bash
# What the benchmarks compare with: MirrorMaker 2 from Maven, once, into the cache; HAProxy from the distribution.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${LINKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkgate}
version=4.3.1

if ! command -v haproxy >/dev/null; then
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo -n)
  echo "setup.sh: installing through apt-get: haproxy" >&2
  ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
    install -y --no-install-recommends haproxy >&2 ||
    { echo "setup.sh: HAProxy is missing; install it (Debian or Ubuntu, as root: apt-get install haproxy)" >&2; exit 1; }
fi

"$here/../tests/setup/kafka.sh" "$version" mirror-maker-"$version"
