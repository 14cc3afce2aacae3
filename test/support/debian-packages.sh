#!/bin/sh
# Real packages, for real Postgres to say what fits. Needs root and apt; the text is the key of the cache.
#   base FOLDER SUITE MAJOR of the OCI layout FOLDER/oci:postgres, which it makes where there is none, FOLDER/root; in
#                           FOLDER/apt what `apt-get update` adds, and FOLDER/names, the packages that there are
#   package FOLDER BASE NAME
#                           FOLDER/upper: all that `apt-get install NAME` changes; FOLDER/own: the package's own files;
#                           FOLDER/whole: what it and its dependencies bring, without apt's and dpkg's books
#   lists FOLDER BASE SUITE ARCHITECTURE MAJOR
#                           what another suite or processor has: apt's books in FOLDER, and FOLDER/names
#   foreign FOLDER LISTS NAME
#                           FOLDER/own: the files of a package of those
set -eu
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

# shellcheck disable=SC2016
in_overlay() { # in_overlay LOWER FOLDER DEBS PROGRAM…: with / made of LOWER and, above it, FOLDER/upper
  mkdir -p "$2/upper" "$2/work" "$2/merged" "$3/partial"
  code=0
  unshare --mount sh -euc 'lower=$1 folder=$2 debs=$3; shift 3; root=$folder/merged
    mount -t overlay overlay -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$root"
    mount --bind /dev "$root/dev" && mount -t proc proc "$root/proc" && mount -t tmpfs tmpfs "$root/tmp"
    mount --bind "$debs" "$root/var/cache/apt/archives"
    exec chroot "$root" env -u TMPDIR "$@"' sh "$@" || code=$?
  rm -rf "$2/work" "$2/merged"
  return "$code"
}

with_lists() { # with_lists LISTS PROGRAM…: an apt that knows nothing but LISTS
  lists=$1 program=$2
  shift 2
  "$program" -o "Dir=$lists" -o "Dir::State::status=$lists/status" -o "APT::Architecture=$(cat "$lists/architecture")" \
    -o "APT::Architectures=$(cat "$lists/architecture")" -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false "$@"
}

names_of() { # names_of MAJOR: of what apt-cache has found
  sed -n "s/^\(postgresql-$1-[^ ]*\) .*/\1/p" | grep -v -e '-dbgsym$' | sort
}

bootstrap() { # bootstrap SUITE MAJOR: into the bundle
  # shellcheck disable=SC2016
  # A mirror may be behind.
  mmdebstrap --quiet --variant=minbase --include="postgresql-$2" --aptopt='Acquire::Check-Valid-Until "false"' \
    --setup-hook='mkdir -p "$1/etc/postgresql-common/createcluster.d"' \
    --setup-hook='echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.d/none.conf"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$1" "$out/bundle/rootfs"
  find "$out/bundle/rootfs/dev" -mindepth 1 -delete
}

verb=$1 out=$2
shift 2
case $verb in
  base)
    suite=$1 major=$2
    if [ -e "$out/oci" ]; then
      umoci unpack --image "$out/oci:postgres" "$out/bundle"
    else
      umoci init --layout "$out/oci"
      umoci new --image "$out/oci:postgres"
      umoci unpack --image "$out/oci:postgres" "$out/bundle"
      bootstrap "$suite" "$major"
      umoci repack --image "$out/oci:postgres" "$out/bundle"
    fi
    mv "$out/bundle/rootfs" "$out/root"
    rm -rf "$out/bundle"
    mkdir -p "$out/apt-up/upper/usr/sbin" "$out/apt-up/upper/etc"
    printf '#!/bin/sh\nexit 101\n' >"$out/apt-up/upper/usr/sbin/policy-rc.d"
    chmod 755 "$out/apt-up/upper/usr/sbin/policy-rc.d"
    cp /etc/resolv.conf "$out/apt-up/upper/etc/resolv.conf"
    in_overlay "$out/root" "$out/apt-up" "$out/debs" apt-get update -qq
    mkdir -p "$out/names-up"
    in_overlay "$out/apt-up/upper:$out/root" "$out/names-up" "$out/debs" \
      apt-cache search --names-only "^postgresql-$major-" | names_of "$major" >"$out/names"
    mv "$out/apt-up/upper" "$out/apt"
    rm -rf "$out/apt-up" "$out/names-up"
    ;;
  package)
    base=$1 name=$2
    exec 9<"$base/debs"
    flock 9
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
  lists)
    base=$1 suite=$2 architecture=$3 major=$4
    mkdir -p "$out/etc/apt/preferences.d" "$out/var/lib/apt/lists/partial" "$out/var/cache/apt/archives/partial"
    # From where the base is.
    uri=$(sed -n 's/^deb .*\(https\{0,1\}:[^ ]*\) .*/\1/p' "$base/root/etc/apt/sources.list" | head -n 1)
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    echo "deb [signed-by=$keyring] $uri $suite main" >"$out/etc/apt/sources.list"
    echo "$architecture" >"$out/architecture"
    : >"$out/status"
    with_lists "$out" apt-get update -qq
    with_lists "$out" apt-cache search --names-only "^postgresql-$major-" | names_of "$major" >"$out/names"
    ;;
  foreign)
    lists=$1 name=$2
    (cd "$out" && with_lists "$lists" apt-get download -qq "$name")
    mkdir "$out/own"
    dpkg-deb -x "$out/${name}_"*.deb "$out/own"
    rm "$out"/*.deb
    ;;
esac
