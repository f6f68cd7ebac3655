#!/bin/sh
# Prepares a PostgreSQL of another version than the machine's in a private folder; installs nothing on the machine.
#
#   scripts/fetch-postgres.sh 18     prints the folder of its programs, for STRANGLER_PG_BIN; versions: 17, 18
#
# The folder is $STRANGLER_POSTGRES_ROOT, else /var/cache/strangler for root, else ~/.cache/strangler. Running it again does nothing
# once the tree is complete.
set -eu

fail() { echo "fetch-postgres: $1" >&2; exit 1; }

version=${1:-}
case $version in
  17) suite=trixie ;;
  18) suite=sid ;;
  *) fail "which version? 17 or 18" ;;
esac
if [ -n "${STRANGLER_POSTGRES_ROOT:-}" ]; then base=$STRANGLER_POSTGRES_ROOT
elif [ "$(id -u)" = 0 ]; then base=/var/cache/strangler # another user runs the server, and /root is closed to it
else base=$HOME/.cache/strangler; fi
root=$base/postgres-$version
programs=$root/tree/usr/lib/postgresql/$version/bin

# A tree of an earlier form of this script lacks a program that runs.
ready() { [ -e "$root/complete" ] && "$programs/pgbench" --version >/dev/null 2>&1; }
ready && { echo "$programs"; exit 0; }
mkdir -p "$root"
command -v flock >/dev/null || fail "flock not found; apt-get install -y util-linux"
exec 9>"$root.lock"
flock 9 # two test runs may ask at the same time
ready && { echo "$programs"; exit 0; }

. "$(dirname "$0")/debian-tree.sh"
[ -e "$root/complete" ] || debian_tree "$root" "$suite" "postgresql-$version" patchelf

# The programs start one another, so the loader and the libraries of the tree are written into them. patchelf itself is of the tree too.
loader=$root/tree/usr/lib64/ld-linux-x86-64.so.2
libraries=$root/tree/usr/lib/x86_64-linux-gnu
for program in initdb postgres pg_ctl pg_isready psql pgbench; do
  "$programs/$program" --version >/dev/null 2>&1 && continue
  "$loader" --library-path "$libraries" "$root/tree/usr/bin/patchelf" --set-interpreter "$loader" --force-rpath \
    --set-rpath "$libraries" "$programs/$program" || fail "$program cannot be made to run from $root"
done
"$programs/postgres" --version >&2
rm -rf "$root/work"
: >"$root/complete"
echo "$programs"
