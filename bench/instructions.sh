#!/usr/bin/env bash
# Instructions of each hot path, for one run of it, counted by callgrind: repeatable, whatever else the machine does.
#
#   bench/instructions.sh PROGRAM    # target/release/examples/hot_path, or the debug one
#
# A report, not a gate: prints a table, fails only where it cannot count.
set -euo pipefail
program=$1
"$(dirname "$0")/../tests/setup/packages.sh" valgrind
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

count() { # count NAME TIMES: instructions of the whole program
  valgrind --tool=callgrind --callgrind-out-file="$out/$1" "$program" "$1" "$2" 2>&1 >/dev/null |
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

printf '%-16s %12s %16s %14s\n' path bytes instructions 'for a byte'
"$program" | while read -r name bytes; do
  # What the program does beside the path is in both.
  few=$(count "$name" 10)
  many=$(count "$name" 110)
  awk -v name="$name" -v bytes="$bytes" -v few="$few" -v many="$many" \
    'BEGIN { each = (many - few) / 100; printf "%-16s %12d %16.0f %14.3f\n", name, bytes, each, each / bytes }'
done
