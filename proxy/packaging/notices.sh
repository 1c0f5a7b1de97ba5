#!/usr/bin/env bash
# Writes to standard output which libraries are inside the programs, and their licences: the files of that name in the
# sources that cargo has unpacked to build them. Needs no network after a build.
set -euo pipefail
cd "$(dirname "$0")/../.."
sources=${CARGO_HOME:-$HOME/.cargo}/registry/src
fail() { echo "notices.sh: $*" >&2; exit 1; }

crates=$(cargo tree --locked --offline --package linkgate-proxy --package linkgate-linkctl --edges normal,no-proc-macro \
  --prefix none --no-dedupe --format '{p}|{l}|{r}' | grep -v '^linkgate-' | grep . | sort -u)

declare -A named=() first=()
texts=()
list=
while IFS='|' read -r crate licence home; do
  name=${crate% v*} version=${crate#* v}
  dir=$(compgen -G "$sources/*/$name-$version" | head -n 1) || fail "the source of $crate is not in $sources: build first"
  mapfile -t files < <(find "$dir" -type f -iregex '.*/\(licen[sc]e\|copying\|copyright\|notice\|unlicense\)[^/]*' | sort)
  list+="  $name $version: $licence${home:+, $home}"$'\n'
  [ ${#files[@]} -gt 0 ] || list+="    (brings no text of its licence along)"$'\n'
  for file in ${files[@]+"${files[@]}"}; do
    sum=$(tr -d '\r' < "$file" | sha256sum)
    [ -n "${first[$sum]-}" ] || { first[$sum]=$file; texts+=("$sum"); }
    named[$sum]+="  $name $version: ${file#"$dir/"}"$'\n'
  done
done <<< "$crates"

cat <<TEXT
The programs of Linkgate contain the libraries below, and the standard library of Rust (MIT OR Apache-2.0,
https://github.com/rust-lang/rust). Of the licences that a library offers, Linkgate uses those that deny.toml in its source allows.

$list
TEXT
for sum in "${texts[@]}"; do
  printf '%s\n%s%s\n\n' "$(printf '=%.0s' {1..100})" "${named[$sum]}" "$(printf -- '-%.0s' {1..100})"
  tr -d '\r' < "${first[$sum]}"
  echo
done
