#!/usr/bin/env bash
# Builds the static RocksDB archive once, outside target/, and prints the environment that makes cargo link it.
#
#   eval "$(state/rocksdb.sh)"      # exports ROCKSDB_LIB_DIR and ROCKSDB_STATIC
#
# A cold build takes about three minutes on two cores; with the archive in the cache it takes none. The cache key is
# the librocksdb-sys version of Cargo.lock, so that a version bump builds anew.
#
# The crate compiles 342 files one by one, and most of the ten minutes that this takes goes into the same headers again
# and again. So the crate's own build runs on a copy whose list of files names a few, each of which includes many
# (RocksDB supports that: `make unity_test`).
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${LINKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkgate}
# 29 files for 342 sources: enough for many cores, and few enough that headers cost little.
sources_per_file=12
version=$(awk '/^name = "librocksdb-sys"/ {getline; gsub(/version = |"/, ""); print; exit}' "$root/Cargo.lock")
[ -n "$version" ] || { echo "rocksdb.sh: librocksdb-sys is not in $root/Cargo.lock" >&2; exit 1; }
dir=$cache/rocksdb-$version-$(uname -m)
mkdir -p "$cache"

# Two runs at once would build in one directory and remove it under each other: the second waits for the first.
[ -f "$dir/librocksdb.a" ] || { exec 9>"$cache/rocksdb.lock"; flock 9; }
if [ ! -f "$dir/librocksdb.a" ]; then
  echo "rocksdb.sh: building RocksDB $version into $dir (once; about three minutes on two cores)" >&2
  work=$cache/build-rocksdb-$version
  rm -rf "$work"
  mkdir -p "$work/src" "$dir"
  host=$(rustc -vV | sed -n 's/^host: //p')
  manifest=$(cd "$root" && cargo metadata --quiet --format-version 1 --filter-platform "$host" |
    grep -oE '"manifest_path":"[^"]*/librocksdb-sys-[^"]*/Cargo.toml"' | head -n 1 | cut -d'"' -f4)
  [ -n "$manifest" ] || { echo "rocksdb.sh: cargo metadata does not name librocksdb-sys" >&2; exit 1; }
  cp -r "$(dirname "$manifest")" "$work/crate"
  (
    cd "$work/crate"
    # build_version.cc is not in the tree: the crate's build brings its own.
    sed '/^[[:space:]]*$/d; /build_version\.cc/d; s/.*/#include "&"/' rocksdb_lib_sources.txt |
      split -l "$sources_per_file" -d -a 2 --additional-suffix=.cc - rocksdb/linkgate_
    (cd rocksdb && ls linkgate_*.cc) > rocksdb_lib_sources.txt
  )
  cat > "$work/Cargo.toml" <<TOML
[package]
name = "rocksdb-archive"
version = "0.0.0"
edition = "2021"
[dependencies]
librocksdb-sys = { version = "=${version%%+*}", default-features = false, features = ["bindgen-runtime"] }
[patch.crates-io]
librocksdb-sys = { path = "crate" }
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
