#!/bin/sh
# Installs what the demo and the tests need and this machine lacks; on Debian and Ubuntu.
#
#   scripts/install.sh         MariaDB, PostgreSQL, a C compiler for the crates that carry C, and two small helpers
#
# Nothing is done, in a few milliseconds, where everything is there. The servers are not started and own no data of the
# demo or the tests, which run their own copies in temporary folders on free ports. Packages come from the package sources
# that this machine is already set up with.
set -eu

say() { echo "install: $*" >&2; }
fail() { say "$*"; exit 1; }

# Debian keeps server programs out of an ordinary user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
have() { command -v "$1" >/dev/null 2>&1; }
have_postgres() {
  have initdb && return
  for program in /usr/lib/postgresql/*/bin/initdb; do [ -x "$program" ] && return; done
  return 1
}

have cargo || fail "cargo not found; install Rust 1.95 or newer, then run this again"

missing=
have mariadbd || missing="$missing mariadb-server"
have_postgres || missing="$missing postgresql"
have cc || missing="$missing gcc libc6-dev"
have flock || missing="$missing util-linux"
have openssl || missing="$missing openssl" # certificates of the TLS tests
# Real MySQL comes from Debian, and its packages are checked with Debian's key; see fetch-mysql.sh.
if have apt-get && [ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then missing="$missing debian-archive-keyring"; fi
[ -n "$missing" ] || exit 0

have apt-get || fail "missing:$missing; this is neither Debian nor Ubuntu, install them by hand"
root=
if [ "$(id -u)" != 0 ]; then
  have sudo || fail "missing:$missing; run as root: apt-get install -y$missing"
  root=sudo
fi

# A server package starts its server when it is installed, unless this file says no. One that is there already is left alone.
policy=/usr/sbin/policy-rc.d
ours=
if [ ! -e "$policy" ]; then
  # The traps come first: the file must not stay behind, whatever happens.
  trap '[ -z "$ours" ] || $root rm -f "$policy"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  ours=yes
  printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
  $root chmod +x "$policy"
fi

apt() { $root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=200 -o Dpkg::Use-Pty=0 "$@"; }
log=$(mktemp)
say "installing$missing"
# shellcheck disable=SC2086 # one word for each package
if ! { apt update && apt install -y --no-install-recommends $missing; } >"$log" 2>&1; then
  tail -n 20 "$log" >&2
  rm -f "$log"
  fail "apt-get failed; its last lines are above"
fi
rm -f "$log"
