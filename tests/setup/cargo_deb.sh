#!/usr/bin/env bash
# Installs the pinned cargo-deb into the cache, once, and prints the path of the program.
set -euo pipefail
cache=${LINKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkgate}
version=3.8.0
dir=$cache/cargo-deb-$version
if [ ! -x "$dir/bin/cargo-deb" ]; then
  echo "cargo_deb.sh: installing cargo-deb $version into $dir (once)" >&2
  # Built to be ready soon rather than to run fast.
  env -u RUSTFLAGS CARGO_TARGET_DIR="$cache/build-cargo-deb" CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=false \
    cargo install --quiet --locked --root "$dir.part" "cargo-deb@$version" >&2
  rm -rf "$dir" "$cache/build-cargo-deb"
  mv -T "$dir.part" "$dir"
fi
echo "$dir/bin/cargo-deb"
