#!/bin/sh
# packaged-host.sh FOLDER SUITE: makes FOLDER/root, a Debian with the oldest build of the suite's Postgres that its
# mirrors have, and no cluster; FOLDER/debs, the packages by which apt upgrades it; and FOLDER/versions, from what to
# what. Testing has the Postgres 17 of trixie beside its own. This text is the key of the cache. Needs root and apt.
set -eu
umask 022
out=$1 suite=$2 root=$1/root
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# A mirror of a suite that moves may be some weeks behind.
mmdebstrap --quiet --variant=minbase --skip=cleanup/apt/lists --include=postgresql-common \
  --aptopt='Acquire::Check-Valid-Until "false"' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$root"

# shellcheck disable=SC2016
in_root() { # its own mount namespace, so that nothing stays mounted however this ends
  unshare --mount sh -c 'root=$1; shift
    mount --bind /dev "$root/dev" && mount -t proc proc "$root/proc" && exec env -u TMPDIR chroot "$root" "$@"' sh "$root" "$@"
}

mkdir -p "$root/etc/postgresql-common/createcluster.d" "$out/debs"
echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.d/none.conf"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$root/etc/resolv.conf"

major=$(in_root apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9][0-9]*\)$/\1/p')
in_root apt-cache madison "postgresql-$major" | awk '{ print $3 }' >"$out/all"
new=$(head -n 1 "$out/all") old=$(tail -n 1 "$out/all")
server=postgresql-$major client=postgresql-client-$major
in_root apt-get install -y -qq --no-install-recommends "$server=$old" "$client=$old"
if [ "$suite" = testing ]; then
  sed 's/ testing / trixie /' "$root/etc/apt/sources.list" >"$root/etc/apt/sources.list.d/trixie.list"
  in_root apt-get update -qq
  in_root apt-get install -y -qq --no-install-recommends postgresql-17
fi
in_root apt-get clean
if [ "$new" != "$old" ]; then
  in_root apt-get install -y -qq --only-upgrade --download-only "$server" "$client"
  mv "$root"/var/cache/apt/archives/*.deb "$out/debs"
else
  # The mirrors have only one: it comes again, as the minor version 99.
  in_root apt-get install -y -qq --reinstall --download-only "$server" "$client"
  minor=${old#"$major".} minor=${minor%%[!0-9]*}
  later=$(printf '99999' | cut -c "1-${#minor}")
  for deb in "$root"/var/cache/apt/archives/postgresql-*.deb; do
    rm -rf "$out/package"
    dpkg-deb -R "$deb" "$out/package"
    sed -i "s/$major\.$minor/$major.$later/g" "$out/package/DEBIAN/control"
    # As long as it was, so that all else in the programs stays where it is.
    for program in "$out/package/usr/lib/postgresql/$major/bin"/*; do
      [ ! -f "$program" ] || sed -i "s/$major\.$minor/$major.$later/g" "$program"
    done
    dpkg-deb -b "$out/package" "$out/debs" >/dev/null
  done
  rm -rf "$out/package"
  new=$(dpkg-deb -f "$(find "$out/debs" -name "${server}_*.deb")" Version)
fi
in_root apt-get clean
rm -rf "$root/var/lib/apt/lists"/* "$out/all"
echo "$old $new" >"$out/versions"
