#!/usr/bin/env bash
# Builds a Go client of the tests into the cache outside target/, once for each version of its source.
#
#   tests/setup/go_client.sh FOLDER PROGRAM
#
# Afterwards <cache>/FOLDER/PROGRAM is what tests/clients/FOLDER builds.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?FOLDER PROGRAM}
program=${2:?FOLDER PROGRAM}
cache=${LINKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkgate}
source=$here/../clients/$folder
dir=$cache/$folder
version=$(cat "$source/main.go" "$source/go.mod" "$source/go.sum" | sha256sum | cut -c 1-16)
[ "$(cat "$dir/.complete" 2>/dev/null)" != "$version" ] || exit 0
echo "go_client.sh: building the Go client $folder into $dir (once)" >&2
mkdir -p "$cache"
part=$(mktemp -d "$cache/.$folder.XXXXXX")
trap 'rm -rf "$part"' EXIT
for attempt in 1 2 3; do
  if (cd "$source" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -mod=readonly -trimpath -o "$part/$program" .); then
    break
  fi
  [ "$attempt" -lt 3 ] || { echo "go_client.sh: $folder cannot be built" >&2; exit 1; }
  echo "go_client.sh: attempt $attempt failed, trying again" >&2
  sleep $((attempt * 5))
done
echo "$version" > "$part/.complete"
chmod 755 "$part"
rm -rf "$dir"
mv -T "$part" "$dir" || [ "$(cat "$dir/.complete" 2>/dev/null)" = "$version" ]
trap - EXIT
