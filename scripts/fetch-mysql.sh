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

[ "$(uname -m)" = x86_64 ] || fail "only x86_64 is supported, this is $(uname -m)"
for tool in apt-get dpkg awk; do command -v "$tool" >/dev/null || fail "$tool not found; this needs Debian or Ubuntu"; done

if [ -n "${STRANGLER_MYSQL_ROOT:-}" ]; then root=$STRANGLER_MYSQL_ROOT
elif [ "$(id -u)" = 0 ]; then root=/var/cache/strangler/mysql # another user runs the server, and /root is closed to it
else root=$HOME/.cache/strangler/mysql; fi

[ -e "$root/complete" ] && { echo "$root"; exit 0; }
mkdir -p "$root"
command -v flock >/dev/null || fail "flock not found; apt-get install -y util-linux"
exec 9>"$root.lock"
flock 9 # two test runs may ask at the same time
[ -e "$root/complete" ] && { echo "$root"; exit 0; }

work=$root/work
rm -rf "$work" "$root/tree" "$root/data"
mkdir -p "$work/etc" "$work/lists/partial" "$work/cache/archives/partial" "$work/state" "$work/debs" "$root/tree"
: >"$work/state/status"

mirror=${STRANGLER_DEBIAN_MIRROR:-}
if [ -z "$mirror" ] && grep -qs '^ID=debian' /etc/os-release; then
  [ -e /etc/apt/sources.list.d/debian.sources ] && mirror=$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/debian.sources)
  [ -z "$mirror" ] && [ -e /etc/apt/sources.list ] && mirror=$(awk '$1=="deb"{for(i=2;i<=NF;i++)if($i~/^[a-z]+:\/\//){print $i;exit}}' /etc/apt/sources.list)
fi
[ -n "$mirror" ] || fail "set STRANGLER_DEBIAN_MIRROR to a Debian mirror; other distributions' mirrors carry no Debian packages"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] || fail "$keyring not found; apt-get install -y debian-archive-keyring"

echo "deb [signed-by=$keyring] $mirror sid main" >"$work/etc/sources.list"
# Check-Valid-Until: mirrors of sid are at times days past the date in their Release file; the signature is still checked.
cat >"$work/apt.conf" <<X
Dir::Etc "$work/etc"; Dir::Etc::sourcelist "$work/etc/sources.list"; Dir::Etc::sourceparts "/dev/null";
Dir::Etc::main "/etc/apt/apt.conf"; Dir::Etc::parts "/etc/apt/apt.conf.d"; Dir::Etc::preferencesparts "/dev/null";
Dir::State "$work/state"; Dir::State::Lists "$work/lists"; Dir::State::status "$work/state/status"; Dir::Cache "$work/cache";
APT::Install-Recommends "false"; APT::Sandbox::User "root"; Acquire::Check-Valid-Until "false";
X
APT_CONFIG=$work/apt.conf
export APT_CONFIG
apt-get update -q >&2
packages=$(apt-get install -s mysql-server-core | awk '/^Inst/{print $2}' | grep -vE '^(perl|libperl|gcc-[0-9]+-base|libgdbm|libdb5|libc-gconv|openssl-provider)')
[ -n "$packages" ] || fail "no mysql-server-core found at the mirror"
# shellcheck disable=SC2086 # one word for each package
(cd "$work/debs" && apt-get download -q $packages >&2)
for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$root/tree"; done
unset APT_CONFIG

tree=$root/tree
loader=$tree/usr/lib64/ld-linux-x86-64.so.2
[ -e "$loader" ] || fail "the unpacked tree has no loader at $loader"
chmod -R a+rX "$root"

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
rm -rf "$work"
: >"$root/complete"
echo "$root"
