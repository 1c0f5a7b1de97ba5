#!/usr/bin/env bash
# Resolves the pinned Kafka jars with Maven, once, into the cache outside target/.
#
#   tests/setup/kafka.sh            # every pinned version
#   tests/setup/kafka.sh 4.3.1      # one of them
#   tests/setup/kafka.sh mirror-maker-4.3.1   # MirrorMaker 2, for the benchmarks
#
# Afterwards <cache>/kafka/<version>/*.jar is a complete class path: broker, tools, Connect worker, file connectors.
# A version that is there already costs nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${LINKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkgate}
versions=("$@")
[ $# -gt 0 ] || versions=(4.3.1 3.9.1 2.8.2)
# slf4j-simple is the one logging backend: two on a class path make each tool print a warning.
other_backends=slf4j-log4j12,slf4j-reload4j,log4j-slf4j-impl,log4j-slf4j2-impl,log4j-1.2-api,log4j-core

for name in "${versions[@]}"; do
  version=${name#mirror-maker-}
  pom=$here/../kafka/pom.xml
  [ "$name" = "$version" ] || pom=$here/../../bench/pom.xml
  dir=$cache/kafka/$name
  [ -f "$dir/.complete" ] && continue
  echo "kafka.sh: resolving Apache Kafka $name with Maven into $dir (once)" >&2
  mkdir -p "$cache/kafka"
  part=$(mktemp -d "$cache/kafka/.$name.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  cp "$pom" "$part/pom.xml"
  for attempt in 1 2 3; do
    if mvn --batch-mode --quiet -f "$part/pom.xml" -Dkafka.version="$version" \
      dependency:copy-dependencies -DincludeScope=runtime -DexcludeArtifactIds="$other_backends" \
      -DoutputDirectory="$part/jars" >&2; then
      break
    fi
    [ "$attempt" -lt 3 ] || { echo "kafka.sh: Maven could not resolve Apache Kafka $name" >&2; exit 1; }
    echo "kafka.sh: attempt $attempt failed, trying again" >&2
    sleep $((attempt * 5))
  done
  touch "$part/jars/.complete"
  # A rename makes the directory appear whole or not at all; of two that race, the first one wins.
  rm -rf "$dir.stale"
  [ ! -d "$dir" ] || mv "$dir" "$dir.stale"
  mv -T "$part/jars" "$dir" || [ -f "$dir/.complete" ]
  rm -rf "$dir.stale" "$part"
  trap - EXIT
done
