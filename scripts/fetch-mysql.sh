#!/bin/sh
# Prepares a real MySQL server in a private folder; installs nothing on the machine.
#
#   scripts/fetch-mysql.sh          the folder is $STRANGLER_MYSQL_ROOT, else
#                                   /var/cache/strangler/mysql for root, else ~/.cache/strangler/mysql
#
# Debian 12 has no MySQL of its own, so the packages come from Debian sid, from the mirror this machine already uses
# (or $STRANGLER_DEBIAN_MIRROR). The server runs with the loader and the libraries of its own tree.
# Running it again does nothing once the tree is complete. `tree/` is the server, `data/` a freshly initialised data folder to copy.
set -eu

fail() { echo "fetch-mysql: $1" >&2; exit 1; }

if [ -n "${STRANGLER_MYSQL_ROOT:-}" ]; then root=$STRANGLER_MYSQL_ROOT
elif [ "$(id -u)" = 0 ]; then root=/var/cache/strangler/mysql # another user runs the server, and /root is closed to it
else root=$HOME/.cache/strangler/mysql; fi

[ -e "$root/complete" ] && { echo "$root"; exit 0; }
mkdir -p "$root"
command -v flock >/dev/null || fail "flock not found; apt-get install -y util-linux"
exec 9>"$root.lock"
flock 9 # two test runs may ask at the same time
[ -e "$root/complete" ] && { echo "$root"; exit 0; }

. "$(dirname "$0")/debian-tree.sh"
debian_tree "$root" sid mysql-server-core

tree=$root/tree
loader=$tree/usr/lib64/ld-linux-x86-64.so.2

# mysqld refuses to run as root: initialise as the user that will also run the copies.
run=
if [ "$(id -u)" = 0 ]; then
  for user in mysql postgres nobody; do id "$user" >/dev/null 2>&1 && break; done
  mkdir "$root/data"; chown "$user" "$root/data"
  run="runuser -u $user --"
fi
$run "$loader" --library-path "$tree/usr/lib/x86_64-linux-gnu" "$tree/usr/sbin/mysqld" --no-defaults --basedir="$tree/usr" \
  --lc-messages-dir="$tree/usr/share/mysql" --character-sets-dir="$tree/usr/share/mysql/charsets" \
  --plugin-dir="$tree/usr/lib/mysql/plugin" --datadir="$root/data" --initialize-insecure >&2
rm -f "$root/data/auto.cnf" # each copy must draw its own server uuid
chmod -R a+rX "$root/data"  # nothing in it is secret, and whoever runs tests copies it
rm -rf "$root/work"
: >"$root/complete"
echo "$root"
