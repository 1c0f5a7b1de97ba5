#!/usr/bin/env bash
# Prints the environment that cargo needs for a build:  eval "$(tests/setup/env.sh)"
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
"$here/../../state/rocksdb.sh"
if [ -z "${LIBCLANG_PATH:-}" ]; then
  # The newest of the distribution's own; without any the build looks for itself.
  found=$(compgen -G '/usr/lib/llvm-*/lib/libclang[-.][0-9s]*' | sort -V | tail -n 1 || true)
  [ -z "$found" ] || echo "export LIBCLANG_PATH='$(dirname "$found")'"
fi
