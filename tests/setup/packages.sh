#!/usr/bin/env bash
# Makes sure that the programs which build and test Linkgate are there; installs what is missing through apt-get.
#
#   tests/setup/packages.sh              # those
#   tests/setup/packages.sh --build      # only those that `make build` needs
#   tests/setup/packages.sh --demo       # those, and what `make demo` needs besides
#   tests/setup/packages.sh haproxy      # and these, each a package that brings a program of its name
#
# Nothing is done, and nothing printed, when everything is there. Without root (or a sudo that asks nothing) or without
# apt-get it says what to install and fails.
set -euo pipefail

missing=()
need() { # need PACKAGE CHECK...: PACKAGE is missing when CHECK fails
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}

has_java() {
  local major
  # The compiler too: one of the clients is a Java source file.
  command -v javac || return
  major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  [ "${major:-0}" -ge 17 ]
}
has_libclang() {
  # bindgen wants the C interface: libclang-cpp.so, which compilers bring along, is another library.
  [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib/llvm-*/lib/libclang[-.][0-9s]*' ||
    ldconfig -p | grep -Eq 'libclang(-[0-9.]+)?\.so'
}
has_go() {
  local minor
  minor=$(go env GOVERSION 2>/dev/null | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
  [ "${minor:-0}" -ge 19 ]
}
has_venv() { python3 -c 'import venv, ensurepip'; }
newest_jdk() { # the oldest JDK that will do and that this distribution has
  local candidate
  for candidate in openjdk-17-jdk-headless openjdk-21-jdk-headless; do
    if apt-cache policy "$candidate" 2>/dev/null | grep -q 'Candidate: [0-9]'; then
      echo "$candidate"
      return
    fi
  done
  echo default-jdk-headless
}

need build-essential command -v g++
need build-essential command -v make
need pkg-config command -v pkg-config
need libclang-dev has_libclang
if [ "${1:-}" != --build ]; then
  need jdk has_java
  need maven command -v mvn
  need python3 command -v python3
  need python3-venv has_venv
fi
if [ "${1:-}" != --build ] && [ "${1:-}" != --demo ]; then
  need curl command -v curl
  need kcat command -v kcat
  need golang-go has_go
  need nodejs command -v node
  need npm command -v npm
  # One of the Node clients is built from source. A Node from elsewhere than the distribution brings its headers along.
  need libnode-dev command -v node
  need libssl-dev pkg-config --exists libssl
  need zlib1g-dev pkg-config --exists zlib
  for program in "$@"; do
    need "$program" command -v "$program"
  done
fi
[ ${#missing[@]} -gt 0 ] || exit 0

mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
as_root=()
if [ "$(id -u)" != 0 ]; then
  if sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    as_root=(false)
  fi
fi
if ! command -v apt-get >/dev/null || [ "${as_root[*]-}" = false ]; then
  cat >&2 <<TEXT
packages.sh: these are missing and cannot be installed from here: ${missing[*]}
  Debian or Ubuntu, as root:  apt-get install -y ${missing[*]/#jdk/openjdk-17-jdk-headless}
  elsewhere: a C++ compiler, libclang, a JDK of version 17 or later, Maven, Python 3 with venv, curl, kcat
             Go 1.19 or later, Node 18 or later with npm, OpenSSL and zlib with their headers
TEXT
  exit 1
fi

echo "packages.sh: installing through apt-get: ${missing[*]}" >&2
apt() { ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >&2; }
apt update || echo "packages.sh: apt-get update failed; trying with the lists that are there" >&2
for i in "${!missing[@]}"; do
  [ "${missing[i]}" != jdk ] || missing[i]=$(newest_jdk)
done
apt install -y --no-install-recommends "${missing[@]}"
