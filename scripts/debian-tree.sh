# shellcheck shell=sh
# Unpacks packages of another Debian release into a private folder; sourced by the fetch scripts, installs nothing on the machine.
#
#   debian_tree ROOT SUITE PACKAGE..     the packages with everything they need, in ROOT/tree
#
# They come from the mirror this machine already uses (or $STRANGLER_DEBIAN_MIRROR). $ROOT/work is left to the caller.

debian_mirror() {
  mirror=${STRANGLER_DEBIAN_MIRROR:-}
  if [ -z "$mirror" ] && grep -qs '^ID=debian' /etc/os-release; then
    [ -e /etc/apt/sources.list.d/debian.sources ] && mirror=$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/debian.sources)
    [ -z "$mirror" ] && [ -e /etc/apt/sources.list ] && mirror=$(awk '$1=="deb"{for(i=2;i<=NF;i++)if($i~/^[a-z]+:\/\//){print $i;exit}}' /etc/apt/sources.list)
  fi
  [ -n "$mirror" ] || fail "set STRANGLER_DEBIAN_MIRROR to a Debian mirror; other distributions' mirrors carry no Debian packages"
  echo "$mirror"
}

debian_tree() {
  root=$1 suite=$2; shift 2
  [ "$(uname -m)" = x86_64 ] || fail "only x86_64 is supported, this is $(uname -m)"
  for tool in apt-get dpkg awk; do command -v "$tool" >/dev/null || fail "$tool not found; this needs Debian or Ubuntu"; done
  work=$root/work
  rm -rf "$work" "$root/tree" "$root/data"
  mkdir -p "$work/etc" "$work/lists/partial" "$work/cache/archives/partial" "$work/state" "$work/debs" "$root/tree"
  : >"$work/state/status"
  mirror=$(debian_mirror)
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ -e "$keyring" ] || fail "$keyring not found; apt-get install -y debian-archive-keyring"
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/etc/sources.list"
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
  packages=$(apt-get install -s "$@" | awk '/^Inst/{print $2}' | grep -vE '^(perl|libperl|gcc-[0-9]+-base|libgdbm|libdb5|libc-gconv|openssl-provider)')
  [ -n "$packages" ] || fail "$* cannot be had from $suite at $mirror"
  # shellcheck disable=SC2086 # one word for each package
  (cd "$work/debs" && apt-get download -q $packages >&2)
  for deb in "$work"/debs/*.deb; do dpkg -x "$deb" "$root/tree"; done
  unset APT_CONFIG
  [ -e "$root/tree/usr/lib64/ld-linux-x86-64.so.2" ] || fail "the unpacked tree has no loader"
  chmod -R a+rX "$root"
}
