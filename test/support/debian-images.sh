#!/bin/sh
# debian-images.sh FOLDER: makes real images from Debian 12 packages, in the OCI layout FOLDER/oci.
#   postgres   minbase, then postgresql-15: two layers, as Docker Hub's image is made; postgres-next has a third
#   ip4r …     each package with what it needs and the distribution lacks, as `dpkg-deb -x` gives it
# This text is the key of the cache, so whatever changes the result belongs in it. Needs root and apt.
set -eu
umask 022
out=$1
root=$out/bundle/rootfs
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

layer() { # layer TAG: what changed in the bundle becomes the tag's next layer
  umoci repack --image "$out/oci:$1" "$out/bundle"
}

# shellcheck disable=SC2016
in_root() { # its own mount namespace, so that nothing stays mounted however this ends
  unshare --mount sh -c 'root=$1; shift
    mount --bind /dev "$root/dev" && mount -t proc proc "$root/proc" && exec chroot "$root" "$@"' sh "$root" "$@"
}

umoci init --layout "$out/oci"
umoci new --image "$out/oci:postgres"
umoci unpack --image "$out/oci:postgres" "$out/bundle"
mmdebstrap --quiet --variant=minbase \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$root"
# Images hold no devices: whoever runs them brings /dev.
find "$root/dev" -mindepth 1 -delete
layer postgres

# The image makes no cluster of its own; whoever runs it does.
mkdir -p "$root/etc/postgresql-common/createcluster.d"
echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.d/none.conf"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$root/etc/resolv.conf"
in_root apt-get update -qq
in_root apt-get install -y -qq --no-install-recommends postgresql-15

# apt closes each extension's dependencies against what the distribution has.
for name in ip4r semver hll postgis; do
  case $name in
    postgis) package=postgresql-15-postgis-3 ;;
    *) package=postgresql-15-$name ;;
  esac
  mkdir -p "$root/archives/$name/partial"
  in_root apt-get install -y -qq --no-install-recommends --download-only -o "Dir::Cache::archives=/archives/$name" \
    "$package"
done
mv "$root/archives" "$out/archives"
in_root apt-get clean
rm -rf "$root/var/lib/apt/lists"/* "$root/usr/sbin/policy-rc.d"
layer postgres

# Its next build: one layer more.
echo next >"$out/build"
umoci insert --image "$out/oci:postgres" --tag postgres-next "$out/build" /etc/build

for name in ip4r semver hll postgis; do
  rm -rf "$out/bundle"
  umoci new --image "$out/oci:$name"
  umoci unpack --image "$out/oci:$name" "$out/bundle"
  for deb in "$out/archives/$name"/*.deb; do dpkg-deb -x "$deb" "$root"; done
  rm -rf "$root/usr/share/doc" "$root/usr/share/man" "$root/usr/share/locale"
  if [ "$name" = postgis ]; then
    # What the packages' postinst would do: these files exist only through /etc/alternatives.
    triplet=$(basename "$(dirname "$(find "$root" -name 'libgeos_c.so.1')")")
    share=/usr/share/postgresql/15/extension
    alternative() {
      mkdir -p "$root/var/lib/dpkg/alternatives" "$root/etc/alternatives"
      update-alternatives --root "$root" --quiet --install "$@"
    }
    alternative "/usr/lib/$triplet/libblas.so.3" "libblas.so.3-$triplet" "/usr/lib/$triplet/blas/libblas.so.3" 10
    alternative "/usr/lib/$triplet/liblapack.so.3" "liblapack.so.3-$triplet" "/usr/lib/$triplet/lapack/liblapack.so.3" 10
    alternative "$share/postgis.control" postgresql-15-postgis.control "$share/postgis-3.control" 30 \
      --slave "$share/postgis_raster.control" postgresql-15-postgis_raster.control "$share/postgis_raster-3.control"
    rm -rf "${root:?}/var"
  fi
  layer "$name"
done

rm -rf "$out/bundle" "$out/archives" "$out/build"
