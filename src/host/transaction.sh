# What every change of a store needs: the lock, room, and the certainty that it is on the disk.

# The kernel frees the lock when the holder ends, however it ends: a lock that survives its owner fills disks.
take_lock() { # take_lock SECONDS HOLDER
  # In a subshell first: a shell whose own `exec` cannot open a file ends without a word.
  (true >>lock) 2>/dev/null || fail HOST_REFUSED "$(id -un) may not write to $root, or it is read-only"
  exec 9>>lock
  waited=0
  until said=$(flock -n 9 2>&1); do
    # Who has to wait is told nothing; words mean that the file system has no locks.
    [ -z "$said" ] || fail HOST_REFUSED "the file system of $root takes no locks ($said); set root to a local disk"
    [ "$waited" -lt "$1" ] || fail LOCKED "$(cat lock.holder 2>/dev/null)"
    [ $((waited % 60)) != 0 ] ||
      printf 'WAIT\t%s\t%s\n' "$waited" "$(head -c 400 lock.holder 2>/dev/null | tr '\n\t' '  ')"
    waited=$((waited + 1))
    sleep 1
  done
  printf '%s since %s\n' "$2" "$(date -u '+%Y-%m-%d %H:%M:%S UTC')" >"lock.holder.$$" &&
    mv -T "lock.holder.$$" lock.holder
}

# A shared library on a file system that is mounted noexec cannot be mapped, so no server would start.
check_mount() { # checks where we are
  options=$(awk -v at="$(pwd -P)/" '
    { point = $5 == "/" ? "/" : $5 "/" }
    index(at, point) == 1 && length(point) >= longest { longest = length(point); options = $6 }
    END { print options }' /proc/self/mountinfo 2>/dev/null)
  case ,$options, in
    *,noexec,*) fail HOST_REFUSED "the file system of $root is mounted noexec; remount it with exec, or set root to another disk" ;;
  esac
}

# Some network and Windows file systems have none. Tried before the first bytes come, in a swept folder.
check_links() {
  { ln lock.holder staging/hard && ln -s ../lock.holder staging/soft && rm -f staging/hard staging/soft; } 2>"$scratch/link" ||
    fail HOST_REFUSED "the file system of $root lacks hard or symbolic links ($(head -n 1 "$scratch/link")); set root to a local disk"
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

is_short() { # is_short KB INODES: sets lacking_kb and lacking_inodes, of which one is above 0 when there is no room
  free_space >"$scratch/free" || scratch_failed
  read -r free floor inodes <"$scratch/free"
  spare=1000
  # Going back moves links and writes next to nothing: on a full disk it must be possible.
  if [ "$1" -le 1024 ]; then floor=1024 spare=50; fi
  lacking_kb=$(($1 + floor - free)) lacking_inodes=0
  [ "$inodes" -lt 0 ] || lacking_inodes=$(($2 + spare - inodes))
  [ "$lacking_kb" -gt 0 ] || [ "$lacking_inodes" -gt 0 ]
}

# Makes room where there is none: first goes what nobody needs, then the oldest generation, which the switch would
# give up anyway, if that is enough.
make_room() { # make_room KB INODES
  is_short "$1" "$2" || return 0
  whole_trees >"$scratch/whole" || scratch_failed
  collect_garbage 2
  if is_short "$1" "$2" && is_enough 1 "$lacking_kb" "$lacking_inodes"; then collect_garbage 1; fi
  record_trees <"$scratch/whole"
  is_short "$1" "$2" || return 0
  holds="the store holds $(megabytes "$(du -sk . | cut -f 1)") for $(printf '%s ' instances/* | sed 's|instances/||g; s/ $//')"
  trees_in_use >/dev/null ||
    holds="$holds, and keeps all of it because $(id -un) may not see every process here: connect as root, or with sudo"
  if [ "$lacking_kb" -gt 0 ]; then
    fail NO_SPACE "$(megabytes "$1") to write to $root, $(megabytes "$free") free, $(megabytes "$floor") of the disk kept for Postgres: $(megabytes "$lacking_kb") more needed ($holds)"
  fi
  fail NO_SPACE "$2 files to write to $root, $inodes inodes free, $spare of them kept for Postgres: $lacking_inodes more needed ($holds)"
}

megabytes() { echo "$((($1 + 1023) / 1024)) MB"; }

# Where SELinux is on, what is made below /var/lib has a type that systemd may not execute. All of a store has one type,
# which every service may read, map and execute: hard links share theirs, so a relabelling by paths could not tell
# programs from data (docs/hosts.md). A file system that is mounted with a context of its own takes no other.
label() { # label FOLDER
  # Where a login's PATH may not lead.
  (PATH=$PATH:/usr/sbin:/sbin && exec selinuxenabled) 2>/dev/null || return 0
  if chcon -R -h -t bin_t "$1" 2>"$scratch/label"; then
    for unit in "$1"/generation/*.service; do
      [ ! -f "$unit" ] || chcon -t systemd_unit_file_t "$unit" 2>>"$scratch/label"
    done
  fi
  [ ! -s "$scratch/label" ] || grep -q 'not supported' "$scratch/label" ||
    fail HOST_REFUSED "SELinux there refuses the type of a program for files in $root: $(head -n 1 "$scratch/label"); mount its disk with a context= that services may execute"
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
