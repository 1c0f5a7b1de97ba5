#!/usr/bin/env bash
# Builds the Go client of the tests (sarama) into the cache outside target/, once for each version of its source.
#
# Afterwards <cache>/sarama/produce is the program.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${LINKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkgate}
source=$here/../clients/sarama
dir=$cache/sarama
version=$(cat "$source/main.go" "$source/go.mod" "$source/go.sum" | sha256sum | cut -c 1-16)
[ "$(cat "$dir/.complete" 2>/dev/null)" != "$version" ] || exit 0
echo "sarama.sh: building the Go client $(sed -n 's/^require \(.*sarama\) \(.*\)/\1 \2/p' "$source/go.mod") into $dir (once)" >&2
mkdir -p "$cache"
part=$(mktemp -d "$cache/.sarama.XXXXXX")
trap 'rm -rf "$part"' EXIT
for attempt in 1 2 3; do
  if (cd "$source" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -mod=readonly -trimpath -o "$part/produce" .); then
    break
  fi
  [ "$attempt" -lt 3 ] || { echo "sarama.sh: it cannot be built" >&2; exit 1; }
  echo "sarama.sh: attempt $attempt failed, trying again" >&2
  sleep $((attempt * 5))
done
echo "$version" > "$part/.complete"
chmod 755 "$part"
rm -rf "$dir"
mv -T "$part" "$dir" || [ "$(cat "$dir/.complete" 2>/dev/null)" = "$version" ]
trap - EXIT
