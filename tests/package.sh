#!/usr/bin/env bash
# Tests the Debian package that `make deb` has made: installs, starts, upgrades, removes and purges it in a minimal root of
# the same Debian or Ubuntu. Needs root, and network for the first run, which makes that root in the cache.
#
#   tests/package.sh [FILE.deb]
#
# Everything runs in namespaces of its own: no mount, no port and no process is left, whatever ends this script.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
limit=${LINKGATE_PACKAGE_SECONDS:-300}

fail() { echo "package.sh: FAILED: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "a chroot needs root: run it as root, or with sudo"

step() { echo "== $*"; }
expect_notices() { # expect_notices FILE: it names libraries that are linked statically, with the texts of their licences
  local needed
  for needed in '^  tokio [0-9.]*: MIT' '^  tokio [0-9.]*: LICENSE$' '^  rocksdb [0-9.]*: Apache-2.0' \
    '^  librocksdb-sys .*: rocksdb/LICENSE.Apache$' '^  zstd-sys .*: zstd/LICENSE$' 'Permission is hereby granted'; do
    grep -q -- "$needed" "$1" || fail "$1 does not have '$needed'"
  done
}

if [ "${1:-}" != --inside ]; then
  deb=${1:-$(ls -t "${CARGO_TARGET_DIR:-$here/../target}"/debian/linkgate_*.deb 2>/dev/null | head -n 1)}
  [ -f "$deb" ] || fail "there is no package; run 'make deb' first"
  cache=${LINKGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/linkgate}
  suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  [ -n "$suite" ] || fail "/etc/os-release has no VERSION_CODENAME: this test needs Debian or Ubuntu"
  base=$cache/package-root-$suite-1.tar
  if [ ! -f "$base" ]; then
    "$here/setup/packages.sh" mmdebstrap
    echo "package.sh: making a minimal root of $suite in $base (once)" >&2
    mkdir -p "$cache"
    # What the package depends on is in it, so that no installation needs network.
    timeout 900 mmdebstrap --quiet --variant=minbase --mode=root \
      --include=adduser,ca-certificates,init-system-helpers,libstdc++6 "$suite" "$cache/part-$(basename "$base")"
    mv "$cache/part-$(basename "$base")" "$base"
  fi
  work=$(mktemp -d "${TMPDIR:-/tmp}/linkgate-package.XXXXXX")
  child=
  clean() {
    [ -z "$child" ] || { kill "$child" && wait "$child"; } 2>/dev/null || true
    rm -rf "$work"
  }
  trap clean EXIT
  trap 'exit 130' INT TERM HUP

  step "make install and make uninstall"
  export DESTDIR=$work/stage PREFIX=/opt/linkgate BUILT=${CARGO_TARGET_DIR:-$here/../target}/release
  "$here/../proxy/packaging/install.sh" install >/dev/null
  unit=$DESTDIR$PREFIX/lib/systemd/system/linkgate.service
  grep -q "^ExecStart=$PREFIX/bin/linkgate " "$unit" || fail "$unit does not start $PREFIX/bin/linkgate"
  "$DESTDIR$PREFIX/bin/linkctl" --version >/dev/null || fail "the installed linkctl does not run"
  expect_notices "$DESTDIR$PREFIX/share/doc/linkgate/THIRD-PARTY-NOTICES"
  if command -v systemd-analyze >/dev/null; then
    # The unit names a program that is in the stage only.
    sed "s#^ExecStart=#&$DESTDIR#" "$unit" > "$work/linkgate.service"
    MANPATH=$DESTDIR$PREFIX/share/man: systemd-analyze verify "$work/linkgate.service" || fail "systemd-analyze verify: see above"
    systemd-analyze security --offline=true --threshold=25 --no-pager "$work/linkgate.service" | tail -n 1 ||
      fail "systemd-analyze security: the exposure level of the unit is above 2.5"
  fi
  "$here/../proxy/packaging/install.sh" uninstall >/dev/null
  left=$(find "$DESTDIR" ! -type d)
  [ -z "$left" ] || fail "make uninstall leaves $left"

  mkdir "$work/root"
  tar -xf "$base" -C "$work/root" --exclude='./dev/*'
  # The same package with a higher version.
  dpkg-deb --raw-extract "$deb" "$work/next"
  sed -i 's/^Version: .*/&+upgrade1/' "$work/next/DEBIAN/control"
  dpkg-deb --root-owner-group -Zgzip -z1 --build "$work/next" "$work/root/next.deb" >/dev/null
  cp "$deb" "$work/root/first.deb"
  # unshare ignores SIGTERM; when it is killed, all processes of the namespaces are.
  timeout --kill-after=1 "$limit" \
    unshare --mount --propagation private --net --pid --fork --kill-child --ipc --uts \
    "$here/package.sh" --inside "$work/root" &
  child=$!
  code=0
  wait "$child" || code=$?
  child=
  [ "$code" = 0 ] || fail "see above (exit code $code; the limit is $limit s)"
  echo "package.sh: passed: $(basename "$deb")"
  exit
fi

root=$2
mount --bind "$root" "$root"
mount -t tmpfs tmpfs "$root/dev"
mount -t proc proc "$root/proc"
for device in null zero random urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
ip link set lo up 2>/dev/null || true

config=/etc/linkgate/linkgate.properties
state=/var/lib/linkgate
inside=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root")
user=(setpriv --reuid linkgate --regid linkgate --init-groups)
in_root() { "${inside[@]}" "$@"; }
as_linkgate() { "${inside[@]}" "${user[@]}" "$@"; }
expect() { # expect TEXT COMMAND...: the command succeeds and prints TEXT
  local text=$1 out
  shift
  out=$("$@" 2>&1) || fail "'$*' exits with $?: $out"
  [[ $out = *"$text"* ]] || fail "'$*' does not print '$text' but: $out"
}
expect_code() { # expect_code CODE TEXT COMMAND...
  local code=$1 text=$2 out found=0
  shift 2
  out=$("$@" 2>&1) || found=$?
  [ "$found" = "$code" ] && [[ $out = *"$text"* ]] || fail "'$*' exits with $found, not $code with '$text': $out"
}
mode() { in_root stat -c '%a %U:%G' "$1"; }
expect_mode() { [ "$(mode "$1")" = "$2" ] || fail "$1 is $(mode "$1"), not $2"; }
health() { # status line of /health/live
  in_root bash -c 'exec 3<>/dev/tcp/127.0.0.1/8090 && printf "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" >&3 && head -n 1 <&3' 2>/dev/null
}
run_daemon() { # starts the daemon as its user, sees it live, and stops it
  # Not through a function: then $! would be a shell, and not the daemon.
  "${inside[@]}" "${user[@]}" linkgate --config "$config" > "$root/daemon.log" 2>&1 &
  local daemon=$! answer=
  for _ in $(seq 100); do
    answer=$(health || true)
    [[ $answer != *" 200 "* ]] || break
    kill -0 "$daemon" 2>/dev/null || break
    sleep 0.2
  done
  [[ $answer = *" 200 "* ]] || fail "the daemon does not answer /health/live: $(tail -n 20 "$root/daemon.log")"
  kill -TERM "$daemon"
  wait "$daemon" || fail "the daemon exits with $? after SIGTERM: $(tail -n 20 "$root/daemon.log")"
}

step "install"
expect "bootstrap.servers in $config" in_root dpkg -i /first.deb
expect_mode "$config" "640 root:linkgate"
expect_mode /etc/linkgate "750 root:linkgate"
expect_mode "$state" "700 linkgate:linkgate"
expect "linkgate" in_root getent group linkgate
if compgen -G "$root/etc/systemd/system/*.wants/linkgate.service" >/dev/null; then fail "the service is enabled"; fi

step "versions, manual, completions"
for program in linkgate linkctl kafka-cluster-links kafka-mirrors; do
  expect "$program" in_root "$program" --version
  compgen -G "$root/usr/share/man/man?/$program.*" >/dev/null || fail "$program has no man page"
  for file in bash-completion/completions/$program zsh/vendor-completions/_$program fish/vendor_completions.d/$program.fish; do
    [ -s "$root/usr/share/$file" ] || fail "/usr/share/$file is missing"
  done
done
expect "_linkctl linkctl" in_root bash -c 'source /usr/share/bash-completion/completions/linkctl && complete -p linkctl'
[ -s "$root/usr/lib/systemd/system/linkgate.service" ] || fail "the systemd unit is missing"

step "notices of licences"
expect_notices "$root/usr/share/doc/linkgate/THIRD-PARTY-NOTICES"

step "an empty configuration is refused"
expect_code 78 "bootstrap.servers is required" as_linkgate linkgate --config "$config"

step "configure and check"
# Nothing listens at that port.
printf 'bootstrap.servers=127.0.0.1:9\nlog.format=json\n' >> "$root$config"
expect "the configuration is valid" as_linkgate linkgate --check-config --config "$config"

step "start and stop"
run_daemon
[ -f "$root$state/secret.key" ] || fail "no journal in $state: $(ls -la "$root$state")"
key=$(sha256sum < "$root$state/secret.key")
configured=$(sha256sum < "$root$config")

step "upgrade"
expect "Setting up linkgate" in_root dpkg -i /next.deb
expect "+upgrade1" in_root dpkg-query -W -f '${Version}' linkgate
[ "$(sha256sum < "$root$config")" = "$configured" ] || fail "the upgrade changed $config"
[ "$(sha256sum < "$root$state/secret.key")" = "$key" ] || fail "the upgrade changed $state"
expect_mode "$config" "640 root:linkgate"
run_daemon
if grep -q "created a new journal\|a new journal was made" "$root/daemon.log"; then fail "the daemon made a new journal"; fi

step "remove"
expect "Removing linkgate" in_root dpkg --remove linkgate
[ ! -e "$root/usr/bin/linkgate" ] || fail "/usr/bin/linkgate is still there"
[ "$(sha256sum < "$root$config")" = "$configured" ] || fail "removing changed $config"
[ "$(sha256sum < "$root$state/secret.key")" = "$key" ] || fail "removing changed $state"

step "install again, with the configuration and the state of before"
expect "Setting up linkgate" in_root dpkg -i /next.deb
[ "$(sha256sum < "$root$config")" = "$configured" ] || fail "installing again changed $config"
run_daemon

step "purge keeps a journal"
expect "$state is kept" in_root dpkg --purge linkgate
[ ! -e "$root/etc/linkgate" ] || fail "/etc/linkgate is still there"
[ "$(sha256sum < "$root$state/secret.key")" = "$key" ] || fail "purging changed $state"
expect_mode "$state" "700 linkgate:linkgate"

step "purge removes an empty state directory"
rm -r "$root$state"
expect "Setting up linkgate" in_root dpkg -i /first.deb
expect "Purging configuration files" in_root dpkg --purge linkgate
[ ! -e "$root$state" ] || fail "$state is still there"
left=$(cd "$root" && find usr etc var -name '*linkgate*' -not -path 'var/lib/dpkg/*' | tr '\n' ' ')
[ -z "$left" ] || fail "these are left: $left"
