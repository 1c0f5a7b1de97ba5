#!/usr/bin/env bash
# Builds the static RocksDB archive once, outside target/, and prints the environment that makes cargo link it.
#
#   eval "$(state/rocksdb.sh)"      # exports ROCKSDB_LIB_DIR and ROCKSDB_STATIC
#
# A cold build takes eight to ten minutes on two cores; with the archive in the cache it takes none. The cache key is
# the librocksdb-sys version of Cargo.lock, so that a version bump builds anew.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${LINKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkgate}
version=$(awk '/^name = "librocksdb-sys"/ {getline; gsub(/version = |"/, ""); print; exit}' "$root/Cargo.lock")
[ -n "$version" ] || { echo "rocksdb.sh: librocksdb-sys is not in $root/Cargo.lock" >&2; exit 1; }
dir=$cache/rocksdb-$version-$(uname -m)
mkdir -p "$cache"

# Two runs at once would build in one directory and remove it under each other: the second waits for the first.
[ -f "$dir/librocksdb.a" ] || { exec 9>"$cache/rocksdb.lock"; flock 9; }
if [ ! -f "$dir/librocksdb.a" ]; then
  echo "rocksdb.sh: building RocksDB $version into $dir (once; eight to ten minutes on two cores)" >&2
  work=$cache/build-rocksdb-$version
  mkdir -p "$work/src" "$dir"
  cat > "$work/Cargo.toml" <<TOML
[package]
name = "rocksdb-archive"
version = "0.0.0"
edition = "2021"
[dependencies]
librocksdb-sys = { version = "=${version%%+*}", default-features = false, features = ["bindgen-runtime"] }
[profile.release]
debug = false
[workspace]
TOML
  : > "$work/src/lib.rs"
  # The archive must not depend on the caller's own cargo settings.
  (cd "$work" && env -u ROCKSDB_LIB_DIR -u ROCKSDB_STATIC -u RUSTFLAGS CARGO_TARGET_DIR="$work/target" \
    cargo build --release --quiet >&2)
  found=$(find "$work/target/release/build" -name librocksdb.a | head -n 1)
  [ -n "$found" ] || { echo "rocksdb.sh: the build left no librocksdb.a below $work" >&2; exit 1; }
  # A rename makes the archive appear whole or not at all, whatever kills this script.
  cp "$found" "$dir/librocksdb.a.part"
  mv "$dir/librocksdb.a.part" "$dir/librocksdb.a"
  rm -rf "$work"
fi
echo "export ROCKSDB_LIB_DIR='$dir' ROCKSDB_STATIC=1"
