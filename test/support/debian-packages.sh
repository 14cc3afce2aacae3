#!/bin/sh
# Real packages, for real Postgres to say what fits. Needs root and apt; the text is the key of the cache.
#   base FOLDER             of the OCI layout FOLDER/oci:postgres makes FOLDER/root, in FOLDER/apt what `apt-get update`
#                           adds, and FOLDER/names, the packages that there are
#   package FOLDER BASE NAME
#                           FOLDER/upper: all that `apt-get install NAME` changes; FOLDER/own: the package's own files;
#                           FOLDER/whole: what it and its dependencies bring, without apt's and dpkg's books
set -eu
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# shellcheck disable=SC2016
in_overlay() { # in_overlay LOWER FOLDER DEBS PROGRAM…: with / made of LOWER and, above it, FOLDER/upper
  mkdir -p "$2/upper" "$2/work" "$2/merged" "$3/partial"
  unshare --mount sh -euc 'lower=$1 folder=$2 debs=$3; shift 3; root=$folder/merged
    mount -t overlay overlay -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$root"
    mount --bind /dev "$root/dev" && mount -t proc proc "$root/proc" && mount -t tmpfs tmpfs "$root/tmp"
    mount --bind "$debs" "$root/var/cache/apt/archives"
    exec chroot "$root" "$@"' sh "$@"
  rm -rf "$2/work" "$2/merged"
}

verb=$1 out=$2
shift 2
case $verb in
  base)
    umoci unpack --image "$out/oci:postgres" "$out/bundle"
    mv "$out/bundle/rootfs" "$out/root"
    rm -rf "$out/bundle" "$out/oci"
    mkdir -p "$out/apt-up/upper/usr/sbin" "$out/apt-up/upper/etc"
    printf '#!/bin/sh\nexit 101\n' >"$out/apt-up/upper/usr/sbin/policy-rc.d"
    chmod 755 "$out/apt-up/upper/usr/sbin/policy-rc.d"
    cp /etc/resolv.conf "$out/apt-up/upper/etc/resolv.conf"
    in_overlay "$out/root" "$out/apt-up" "$out/debs" apt-get update -qq
    mkdir -p "$out/names-up"
    in_overlay "$out/apt-up/upper:$out/root" "$out/names-up" "$out/debs" \
      apt-cache search --names-only '^postgresql-15-' >"$out/found"
    sed -n 's/^\(postgresql-15-[^ ]*\) .*/\1/p' "$out/found" | sort >"$out/names"
    mv "$out/apt-up/upper" "$out/apt"
    rm -rf "$out/apt-up" "$out/names-up" "$out/found"
    ;;
  package)
    base=$1 name=$2
    in_overlay "$base/apt:$base/root" "$out" "$base/debs" apt-get install -y -qq --no-install-recommends \
      -o Dpkg::Options::=--force-unsafe-io -o APT::Keep-Downloaded-Packages=true "$name" >"$out/log" 2>&1 || {
      cat "$out/log" >&2
      exit 1
    }
    mkdir "$out/own" "$out/whole"
    dpkg-deb -x "$(find "$base/debs" -name "${name}_*.deb" | sort | tail -n 1)" "$out/own"
    (
      cd "$out/upper"
      find . \( -path ./var -o -path ./run -o -path ./tmp \) -prune -o \( -type f -o -type l \) -print
    ) | while read -r path; do
      if [ ! -e "$base/root/$path" ] && [ ! -L "$base/root/$path" ]; then printf '%s\n' "$path"; fi
    done >"$out/list"
    tar -C "$out/upper" -T "$out/list" -cf - | tar -xf - -C "$out/whole"
    rm "$out/list"
    ;;
esac
