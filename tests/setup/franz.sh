#!/usr/bin/env bash
# Builds the Go load of the tests (franz-go) into the cache outside target/, once for each version of its source.
#
# Afterwards <cache>/franz/franz is the program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${LINKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkgate}
source=$here/../clients/franz
dir=$cache/franz
version=$(cat "$source/main.go" "$source/go.mod" "$source/go.sum" | sha256sum | cut -c 1-16)
[ "$(cat "$dir/.complete" 2>/dev/null)" != "$version" ] || exit 0
echo "franz.sh: building the Go load $(sed -n 's/^require \(.*franz-go\) \(.*\)/\1 \2/p' "$source/go.mod") into $dir (once)" >&2
mkdir -p "$cache"
part=$(mktemp -d "$cache/.franz.XXXXXX")
trap 'rm -rf "$part"' EXIT
for attempt in 1 2 3; do
  if (cd "$source" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -mod=readonly -trimpath -o "$part/franz" .); then
    break
  fi
  [ "$attempt" -lt 3 ] || { echo "franz.sh: it cannot be built" >&2; exit 1; }
  echo "franz.sh: attempt $attempt failed, trying again" >&2
  sleep $((attempt * 5))
done
echo "$version" > "$part/.complete"
chmod 755 "$part"
rm -rf "$dir"
mv -T "$part" "$dir" || [ "$(cat "$dir/.complete" 2>/dev/null)" = "$version" ]
trap - EXIT
