#!/bin/sh
# debian-host.sh FOLDER: makes FOLDER/disk.ext4, the disk of a small Debian 12 host with systemd and sshd.
# This text is the key of the cache, so whatever changes the result belongs in it. Needs root and apt.
set -eu
out=$1
truncate -s 4G "$out/disk.ext4"
mkfs.ext4 -q "$out/disk.ext4"
mkdir "$out/disk"
# Its own mount namespace, so that nothing stays mounted however this ends.
# shellcheck disable=SC2016
unshare --mount sh -euc 'disk=$1/disk
  mount -o loop "$1/disk.ext4" "$disk"
  mmdebstrap --quiet --variant=minbase --include=systemd,systemd-sysv,dbus,openssh-server,sudo bookworm "$disk"
  echo db1 >"$disk/etc/hostname"
  printf "127.0.0.1 localhost\n127.0.1.1 db1\n::1 localhost\n" >"$disk/etc/hosts"
  # Who Pulumi connects as: no root login, sudo without a password.
  chroot "$disk" useradd --create-home --shell /bin/sh deploy
  echo "deploy ALL=(ALL) NOPASSWD: ALL" >"$disk/etc/sudoers.d/deploy"' sh "$out"
rmdir "$out/disk"
