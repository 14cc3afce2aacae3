# What nobody needs any more. Kept of each instance are the current generation, the two before it, and of each root that
# still runs the newest. The lists are variables, not files: a full /tmp would make them short, and what is missing in
# them is removed.

# An object with more links than this gives way, so that the next tree that wants it brings another inode: ext4 ends
# at 65,000.
most_links=50000

# Trees that a running process executes, maps, or has as its root or mounts. A process in a namespace of its own may
# have the store at any path, so whatever is called like a tree counts. Fails when a server's process cannot be
# seen, because another user runs it: then everything might be in use.
trees_in_use() {
  [ -r /proc/self/maps ] || return 1
  if [ "$(id -u)" != 0 ]; then
    # A /proc that hides the processes of others hides whether a server is among them (proc(5), hidepid).
    grep -q ' /proc .*[ ,]hidepid=[^0o]' /proc/self/mountinfo && return 1
    for comm in /proc/[0-9]*/comm; do
      { read -r name <"$comm"; } 2>/dev/null || continue
      case $name in postgres* | postmaster*) readlink "${comm%comm}exe" >/dev/null || return 1 ;; esac
    done
  fi
  {
    # shellcheck disable=SC2012
    ls -l /proc/[0-9]*/exe /proc/[0-9]*/root
    cat /proc/[0-9]*/maps /proc/[0-9]*/mountinfo
  } 2>/dev/null | awk '{ while (match($0, /\/[0-9a-f]+[-0-9]*/)) {
    name = substr($0, RSTART + 1, RLENGTH - 1)
    $0 = substr($0, RSTART + RLENGTH)
    if (length(name) >= 64 && !seen[name]++) print name
  } }'
}

among() { # among WORD LIST: is WORD a line of LIST?
  case $newline$2$newline in *"$newline$1$newline"*) ;; *) return 1 ;; esac
}

# A generation that a crash kept from ever becoming current is no former state.
drop_unborn_generations() {
  for each in instances/*/; do
    now=$(readlink "${each}current") || now=
    for generation in "${each}generations"/*; do
      [ -f "$generation/switched" ] || [ "${generation##*/}" = "${now##*/}" ] || rm -rf "$generation"
    done
  done
}

# What is told at the end: disk space in kB, files, trees and generations.
freed_kb=0 freed_files=0 freed_trees=0 freed_generations=0

# Files that have another link elsewhere free nothing.
count_freed() { # count_freed WORDS: of `find`, that select what is about to go
  # shellcheck disable=SC2046
  set -- $(find "$@" \( -type d -o -links 1 \) -exec stat -c '%b %B %F' {} + 2>/dev/null |
    awk '{ sum += $1 * $2; files += $3 == "regular" } END { printf "%.0f %d", sum / 1024, files }')
  freed_kb=$((freed_kb + ${1:-0})) freed_files=$((freed_files + ${2:-0}))
}

tell_freed() {
  [ $((freed_generations + freed_trees + freed_files)) = 0 ] ||
    say freed "$freed_kb$tab$freed_files$tab$freed_trees$tab$freed_generations"
}

kept_generations() { # kept_generations USED FORMER: how many before the current one stay; prints their paths
  for each in instances/*/; do
    now=$(readlink "${each}current" 2>/dev/null) || continue
    now=${now##*/}
    # An `up` is several commits, and the state that it goes back to may be the oldest.
    former=$2
    [ "$former" = 0 ] || [ ! -f "${each}current/up" ] || former=$((former + 1))
    kept=0 roots='' distributions='' later=
    # shellcheck disable=SC2012
    for number in $(ls "${each}generations" | sort -rn); do
      tree=$(trees_of_links "${each}generations/$number/root") || return
      run=$(cat "${each}generations/$number/up" 2>/dev/null)
      if [ "$number" = "$now" ]; then
        :
      elif [ -n "$run" ] && [ "$run" = "$later" ]; then
        # A step of the same `up`, which nobody means by going back.
        if ! among "$tree" "$1" || among "$tree" "$roots"; then continue; fi
      elif [ "$kept" -lt "$former" ]; then
        kept=$((kept + 1))
      elif ! among "$tree" "$1" || among "$tree" "$roots"; then
        continue
      fi
      later=$run roots=$roots$newline$tree
      echo "${each}generations/$number"
      distributions=$distributions$newline$(readlink "${each}generations/$number/distribution")
    done
    # A server of another distribution sees its live link, and with it the generation that the link is nailed to.
    for link in "${each}live"/*; do
      [ -L "$link" ] || continue
      target=$(readlink "$link") || return
      target=${target%/live}
      ! among "${link##*/}" "$distributions" || echo "${each}generations/${target##*/}"
    done
  done
}

# A folder that we may not enter looks empty, and what its links need would look like what nobody needs. Asked after
# each reading of links, because somebody may close a folder at any time.
saw_all_links() { find instances >/dev/null 2>&1; }

drop_generations() { # drop_generations USED FORMER
  keep=$(kept_generations "$1" "$2") && saw_all_links || return
  for generation in instances/*/generations/*; do
    among "$generation" "$keep" && continue
    # An instance without a current generation is being made or removed.
    [ -L "${generation%/generations/*}/current" ] || continue
    count_freed "$generation"
    freed_generations=$((freed_generations + 1))
    rm -rf "$generation"
  done
  for each in instances/*/; do
    distributions=$(for generation in "${each}generations"/*; do readlink "$generation/distribution"; done)
    for link in "${each}live"/*; do
      [ ! -L "$link" ] || among "${link##*/}" "$distributions" || rm -f "$link"
    done
  done
}

drop_trees() { # drop_trees USED
  wanted=$(trees_of_links instances/*/generations/*/root instances/*/generations/*/live) && saw_all_links || return
  for tree in trees/*; do
    name=${tree#trees/}
    if [ ! -d "$tree" ] || among "$name" "$wanted" || among "$name" "$1"; then continue; fi
    count_freed "$tree" "meta/$name"
    freed_trees=$((freed_trees + 1))
    # In this order, because what is left of a tree is found again.
    rm -f "meta/$name" && rm -rf "$tree"
  done
}

drop_manifests() {
  wanted=$(cat instances/*/generations/*/members 2>/dev/null)
  for tree in trees/*; do
    name=${tree#trees/}
    wanted=$wanted$newline${name%%-*}
  done
  saw_all_links || return
  for manifest in manifests/*; do
    among "${manifest#manifests/}" "$wanted" && continue
    count_freed "$manifest"
    rm -f "$manifest"
  done
}

# What a killed push left. Objects stay: the one that comes now may have been told that they are there.
sweep_leftovers() {
  count_freed staging -mindepth 1
  rm -rf staging/* FORMAT.* lock.holder.* meta/.new
  drop_unborn_generations
  used=$(trees_in_use) && drop_trees "$used"
}

# Whether the generations that this many former ones leave out would free that much: their folders, and files whose
# every link is an object or in their trees.
is_enough() { # is_enough FORMER KB INODES
  used=$(trees_in_use) || return
  wanted=$used$newline$(kept_generations "$used" "$1" | while IFS= read -r each; do
    trees_of_links "$each/root" "$each/live"
  done)
  kilobytes=$2 inodes=$3
  set --
  for tree in trees/*; do
    among "${tree#trees/}" "$wanted" || set -- "$@" "$tree"
  done
  [ $# -gt 0 ] || return
  find "$@" -exec stat -c '%i %h %b %B %F' {} + | awk -v kilobytes="$kilobytes" -v inodes="$inodes" '
    { seen[$1]++; links[$1] = $5 == "directory" ? 1 : $2; size[$1] = $3 * $4 }
    END { for (i in seen) if (links[i] <= seen[i] + 1) { sum += size[i]; count++ }
      exit !(sum / 1024 >= kilobytes && count >= inodes) }'
}

collect_garbage() { # collect_garbage FORMER
  used=$(trees_in_use) || return 0
  drop_generations "$used" "$1"
  drop_trees "$used"
  drop_manifests
  count_freed objects -type f
  find objects -type f \( -links 1 -o -links "+$most_links" \) -exec rm -f {} +
}
