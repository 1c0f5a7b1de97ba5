#!/usr/bin/env bash
# The client libraries of the client matrix, pinned, in the cache outside target/. What is there already costs nothing.
#
#   tests/setup/interop.sh
#
# Afterwards <cache>/interop/ has:
#   python/, python-old/   environments: the newest clients, and confluent-kafka with librdkafka 2.0
#   go/                    the Go programs, franz, sarama and kafkago
#   node/                  node_modules with kafkajs
#   node-confluent/        node_modules with @confluentinc/kafka-javascript, where it can be built
# The Java programs are compiled by the suite, against the jars of tests/setup/kafka.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$here/../clients/interop
cache=${LINKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkgate}/interop
mkdir -p "$cache"

retry() {
  local attempt
  for attempt in 1 2 3; do
    "$@" && return
    [ "$attempt" = 3 ] || { echo "interop.sh: attempt $attempt failed, trying again: $*" >&2; sleep $((attempt * 5)); }
  done
  return 1
}
fresh() { # fresh DIR VERSION: DIR is not of that version yet
  [ "$(cat "$cache/$1/.complete" 2>/dev/null)" != "$2" ]
}
sum() { cat "$@" | sha256sum | cut -c 1-16; }

python_env() { # python_env DIR FILE
  local dir=$1 list=$source/python/$2 version
  version=$(sum "$list")
  fresh "$dir" "$version" || return 0
  echo "interop.sh: a Python environment of $2 in $cache/$dir (once)" >&2
  rm -rf "${cache:?}/$dir"
  python3 -m venv "$cache/$dir"
  retry "$cache/$dir/bin/python3" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r "$list" >&2
  echo "$version" > "$cache/$dir/.complete"
}

go_minor() { "$1" env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p'; }

# The newest clients want the newest Go. From 1.21 on, go fetches what a module asks for by itself.
go_programs() {
  local version minor
  version=$(sum "$source"/go/go.* "$source"/go/*/*.go)
  fresh go "$version" || return 0
  minor=$(go_minor go)
  if [ "${minor:-0}" -lt 21 ]; then
    echo "interop.sh: Go is 1.${minor:-?}, which cannot fetch a newer one: the matrix goes WITHOUT franz-go, sarama and kafka-go" >&2
    return 0
  fi
  echo "interop.sh: building the Go clients into $cache/go (once)" >&2
  local part
  part=$(mktemp -d "$cache/.go.XXXXXX")
  # A toolchain that the distribution pinned ("local") may be too old.
  if ! (cd "$source/go" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOTOOLCHAIN=auto retry go build -mod=readonly -trimpath -o "$part/" ./...) >&2; then
    rm -rf "$part"
    echo "interop.sh: the Go clients cannot be built" >&2
    return 1
  fi
  echo "$version" > "$part/.complete"
  chmod 755 "$part"
  rm -rf "$cache/go"
  mv -T "$part" "$cache/go"
}

node_modules() { # node_modules DIR FOLDER NPM_ARGUMENT...
  local dir=$1 from=$source/node/$2 part
  shift 2
  part=$(mktemp -d "$cache/.node.XXXXXX")
  cp "$from/package.json" "$from/package-lock.json" "$part/"
  (cd "$part" && retry npm ci --no-audit --no-fund --loglevel=error "$@") >&2 || { rm -rf "$part"; return 1; }
  chmod 755 "$part"
  rm -rf "${cache:?}/$dir"
  mv -T "$part" "$cache/$dir"
}

kafkajs() {
  local version
  version=$(sum "$source"/node/kafkajs/package*.json)
  fresh node "$version" || return 0
  echo "interop.sh: kafkajs into $cache/node (once)" >&2
  node_modules node kafkajs
  echo "$version" > "$cache/node/.complete"
}

# It brings librdkafka as source. Its installer would fetch a build from elsewhere, or libraries from yet elsewhere; so it is
# built here, against those of the system. Headers of Node are needed; where there are none, the matrix goes without.
confluent_js() {
  local version headers
  version=$(sum "$source"/node/confluent/package*.json)
  fresh node-confluent "$version" || return 0
  headers=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  if [ ! -f "$headers/include/node/node_api.h" ]; then
    echo "interop.sh: no headers of Node (Debian: libnode-dev): the matrix goes WITHOUT @confluentinc/kafka-javascript" >&2
    return 0
  fi
  echo "interop.sh: building @confluentinc/kafka-javascript into $cache/node-confluent (once, a few minutes)" >&2
  node_modules node-confluent confluent --ignore-scripts
  local package=$cache/node-confluent/node_modules/@confluentinc/kafka-javascript gyp
  gyp=$(npm root --global)/npm/node_modules/node-gyp/bin/node-gyp.js
  [ -f "$gyp" ] || gyp=$(command -v node-gyp || true)
  if (export CKJS_LINKING=dynamic npm_config_nodedir=$headers JOBS=2
    cd "$package/deps" && node ../util/configure && cd .. && node "$gyp" rebuild) >"$cache/node-confluent.log" 2>&1; then
    echo "$version" > "$cache/node-confluent/.complete"
  else
    rm -rf "$cache/node-confluent"
    echo "interop.sh: @confluentinc/kafka-javascript cannot be built, see $cache/node-confluent.log: the matrix goes WITHOUT it" >&2
  fi
}

python_env python requirements.txt
python_env python-old requirements-old.txt
go_programs
kafkajs
confluent_js
