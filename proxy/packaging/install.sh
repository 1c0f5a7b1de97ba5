#!/usr/bin/env bash
# Installs what `make build` has made, or removes it again. Builds nothing, so that it can run as root.
#
#   proxy/packaging/install.sh install      # BUILT (target/release), PREFIX (/usr/local) and DESTDIR come from the environment
#   proxy/packaging/install.sh uninstall
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
built=${BUILT:-$root/target/release}
prefix=${PREFIX:-/usr/local}
to=${DESTDIR:-}$prefix
programs=(linkgate linkctl kafka-cluster-links kafka-mirrors)
bash=$to/share/bash-completion/completions
zsh=$to/share/zsh/site-functions
fish=$to/share/fish/vendor_completions.d
doc=$to/share/doc/linkgate
unit=$to/lib/systemd/system/linkgate.service

[[ $prefix = /* ]] || { echo "install.sh: PREFIX=$prefix is not an absolute path" >&2; exit 1; }

install_all() {
  local needed
  local data=(linkgate.properties.example THIRD-PARTY-NOTICES)
  for needed in "${programs[@]}" packaging/man packaging/completions "${data[@]/#/packaging/}"; do
    if [ ! -e "$built/$needed" ]; then
      echo "make install: $built/$needed is not there. Run 'make build' first, as yourself: 'make install' builds nothing." >&2
      exit 1
    fi
  done
  install -D -m 755 -t "$to/bin" "${programs[@]/#/$built/}"
  install -D -m 644 -t "$to/share/man/man1" "$built"/packaging/man/man1/*
  install -D -m 644 -t "$to/share/man/man8" "$built"/packaging/man/man8/*
  install -D -m 644 -t "$bash" "$built"/packaging/completions/bash/*
  install -D -m 644 -t "$zsh" "$built"/packaging/completions/zsh/*
  install -D -m 644 -t "$fish" "$built"/packaging/completions/fish/*
  install -D -m 644 -t "$doc" "$root"/{README.md,LICENSE,CHANGELOG.md} "${data[@]/#/$built/packaging/}"
  install -D -m 644 "$here/linkgate.service" "$unit"
  sed -i "s#^ExecStart=/usr/bin/#ExecStart=$prefix/bin/#" "$unit"
  echo "Linkgate is installed below $to. docs/install.md says how to start it."
}

uninstall_all() {
  local program
  for program in "${programs[@]}"; do
    rm -f "$to/bin/$program" "$bash/$program" "$zsh/_$program" "$fish/$program.fish" "$to/share/man/man1/$program.1.gz"
  done
  rm -f "$to"/share/man/man1/linkctl-*.1.gz "$to/share/man/man8/linkgate.8.gz" "$unit"
  rm -rf "$doc"
  echo "Linkgate is removed from $to. The configuration, the state directory and the user linkgate are kept."
}

case ${1:-} in
  install) install_all ;;
  uninstall) uninstall_all ;;
  *) echo "usage: install.sh install|uninstall" >&2; exit 64 ;;
esac
