# What every change of a store needs: the lock, room, and the certainty that it is on the disk.

# The kernel frees the lock when the holder ends, however it ends: a lock that survives its owner fills disks.
take_lock() { # take_lock SECONDS HOLDER
  # In a subshell first: a shell whose own `exec` cannot open a file ends without a word.
  (true >>lock) 2>/dev/null || fail HOST_REFUSED "$(id -un) may not write to $root, or it is read-only"
  exec 9>>lock
  waited=0
  until flock -n 9; do
    [ "$waited" -lt "$1" ] || fail LOCKED "$(cat lock.holder 2>/dev/null)"
    waited=$((waited + 1))
    sleep 1
  done
  printf '%s since %s\n' "$2" "$(date -u '+%Y-%m-%d %H:%M:%S UTC')" >"lock.holder.$$" &&
    mv -T "lock.holder.$$" lock.holder
}

free_space() { # prints: free kB, floor kB, free inodes (-1: no such limit); Postgres shares the disk, so a floor stays
  df -kP . | awk 'NR == 2 { floor = $2 * 0.03; most = $2 * 0.1; least = most < 1048576 ? most : 1048576
    if (floor < least) floor = least; printf "%.0f\t%.0f", $4, floor }'
  inodes=$(df -iP . 2>/dev/null | awk 'NR == 2 { print $4 }')
  case $inodes in '' | *[!0-9]*) inodes=-1 ;; esac
  # File systems without a fixed number, as btrfs, say 0 of 0.
  [ "$inodes" != 0 ] || [ "$(df -iP . | awk 'NR == 2 { print $2 }')" != 0 ] || inodes=-1
  printf '\t%s\n' "$inodes"
}

check_space() { # check_space KB INODES
  free_space >"$scratch/free" || scratch_failed
  read -r free floor inodes <"$scratch/free"
  if [ $((free - $1)) -lt "$floor" ]; then
    fail NO_SPACE "$((($1 + 1023) / 1024)) MB to write to $root, $((free / 1024)) MB free, $((floor / 1024)) MB of it kept for Postgres"
  fi
  [ "$inodes" -lt 0 ] || [ $((inodes - $2)) -ge 1000 ] ||
    fail NO_SPACE "$2 files to write to $root, $inodes inodes free, 1000 of them kept for Postgres"
}

settle() { # settle PATH: what was written below PATH survives a power cut
  sync -f "$1" 2>"$scratch/sync" && return
  # An error of the disk is told once; a `sync` that has no -f is told by its usage.
  ! grep -q 'error syncing' "$scratch/sync" || fail HOST_REFUSED "the disk of $root reports: $(cat "$scratch/sync")"
  sync
}

link_to() { # link_to TARGET LINK: in one rename; `ln -sf` of busybox removes the old link first
  rm -f "$2.new"
  { ln -s "$1" "$2.new" && mv -T "$2.new" "$2"; } 2>"$scratch/link" ||
    fail HOST_REFUSED "cannot switch $root/$2: $(head -n 1 "$scratch/link")"
}
