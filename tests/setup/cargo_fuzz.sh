#!/usr/bin/env bash
# Installs the pinned cargo-fuzz into the cache, once, and prints the path of the program.
set -euo pipefail
cache=${LINKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkgate}
version=0.13.2
dir=$cache/cargo-fuzz-$version
if [ ! -x "$dir/bin/cargo-fuzz" ]; then
  echo "cargo_fuzz.sh: installing cargo-fuzz $version into $dir (once)" >&2
  rm -rf "$dir.part"
  env -u RUSTFLAGS cargo install --quiet --locked --root "$dir.part" "cargo-fuzz@$version" >&2
  mv -T "$dir.part" "$dir"
fi
echo "$dir/bin/cargo-fuzz"
