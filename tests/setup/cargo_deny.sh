#!/usr/bin/env bash
# Installs the pinned cargo-deny into the cache, once, and prints the path of the program.
set -euo pipefail
cache=${LINKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkgate}
version=0.20.2
dir=$cache/cargo-deny-$version
if [ ! -x "$dir/bin/cargo-deny" ]; then
  echo "cargo_deny.sh: installing cargo-deny $version into $dir (once)" >&2
  # Built to be ready soon rather than to run fast; only bans, licenses and sources are checked, so nothing goes online.
  env -u RUSTFLAGS CARGO_TARGET_DIR="$cache/build-cargo-deny" CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=false \
    cargo install --quiet --locked --no-default-features --root "$dir.part" "cargo-deny@$version" >&2
  rm -rf "$dir" "$cache/build-cargo-deny"
  mv -T "$dir.part" "$dir"
fi
echo "$dir/bin/cargo-deny"
