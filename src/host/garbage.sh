# What nobody needs any more. Kept of each instance are the current generation, the two before it, and those whose
# root still runs. The lists are variables, not files: a full /tmp would make them short, and what is missing in
# them is removed.

# Trees that a running process executes, maps, or has as its root (systemd's RootDirectory= hides the path from exe
# and maps; mountinfo tells, but from the top of the disk, so that a tree of another store counts too). Fails when a server's process cannot be seen, because another user runs it: then
# everything might be in use.
trees_in_use() {
  if [ "$(id -u)" != 0 ]; then
    for comm in /proc/[0-9]*/comm; do
      { read -r name <"$comm"; } 2>/dev/null || continue
      case $name in postgres* | postmaster*) readlink "${comm%comm}exe" >/dev/null || return 1 ;; esac
    done
  fi
  {
    # shellcheck disable=SC2012
    ls -l /proc/[0-9]*/exe /proc/[0-9]*/root
    cat /proc/[0-9]*/maps
  } 2>/dev/null | names_after "$(pwd -P)/trees/"
  cat /proc/[0-9]*/mountinfo 2>/dev/null | names_after /trees/
}

names_after() { # names_after PREFIX: prints the trees' names that follow it on stdin
  awk -v prefix="$1" '{ while (at = index($0, prefix)) {
    $0 = substr($0, at + length(prefix))
    if (match($0, /^[0-9a-f]+[-0-9]*/) && !seen[name = substr($0, 1, RLENGTH)]++) print name
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

drop_generations() { # drop_generations USED
  for each in instances/*/; do
    now=$(readlink "${each}current" 2>/dev/null) || continue
    now=${now##*/}
    kept=0 keep='' distributions=''
    # shellcheck disable=SC2012
    for number in $(ls "${each}generations" | sort -rn); do
      tree=$(trees_of_links "${each}generations/$number/root") || return
      if [ "$number" = "$now" ]; then
        :
      elif [ "$kept" -lt 2 ]; then
        kept=$((kept + 1))
      else
        among "$tree" "$1" || continue
      fi
      keep=$keep$newline$number
      distributions=$distributions$newline$(readlink "${each}generations/$number/distribution")
    done
    # A server of another distribution sees its live link, and with it the generation that the link is nailed to.
    for link in "${each}live"/*; do
      [ -L "$link" ] || continue
      target=$(readlink "$link") || return
      target=${target%/live}
      if among "${link##*/}" "$distributions"; then keep=$keep$newline${target##*/}; else rm -f "$link"; fi
    done
    for generation in "${each}generations"/*; do
      among "${generation##*/}" "$keep" || rm -rf "$generation"
    done
  done
}

drop_trees() { # drop_trees USED
  wanted=$(trees_of_links instances/*/generations/*/root instances/*/generations/*/live) || return
  for tree in trees/*; do
    name=${tree#trees/}
    among "$name" "$wanted" || among "$name" "$1" || { rm -rf "$tree" && rm -f "meta/$name"; }
  done
}

drop_manifests() {
  wanted=$(cat instances/*/generations/*/members 2>/dev/null)
  for tree in trees/*; do
    name=${tree#trees/}
    wanted=$wanted$newline${name%%-*}
  done
  for manifest in manifests/*; do
    among "${manifest#manifests/}" "$wanted" || rm -f "$manifest"
  done
}

# What a killed push left. Objects stay: the one that comes now may have been told that they are there.
sweep_leftovers() {
  rm -rf staging/* FORMAT.* lock.holder.* meta/.new
  drop_unborn_generations
  used=$(trees_in_use) && drop_trees "$used"
}

collect_garbage() {
  used=$(trees_in_use) || return 0
  drop_generations "$used"
  drop_trees "$used"
  drop_manifests
  find objects -type f -links 1 -exec rm -f {} +
}
