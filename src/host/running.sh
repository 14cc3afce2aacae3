# What runs from a store, and who may have changed it: for reports only.

# Says of each postmaster which tree it started from, and which libraries servers map that are no longer there or
# no longer current. What another user's processes do is not seen; nothing is said then.
tell_running() { # tell_running ROOT LIVE: the current trees
  pids=
  for comm in /proc/[0-9]*/comm; do
    { read -r name <"$comm"; } 2>/dev/null || continue
    comm=${comm#/proc/}
    case $name in postgres* | postmaster*) pids="$pids ${comm%/comm}" ;; esac
  done
  [ -n "$pids" ] || return 0
  for each in instances/*/; do
    [ "$each" = "$home/" ] || trees_of_links "${each}current/root" | sed "s/^/elsewhere$tab/"
  done
  store=$(pwd -P)
  booted=$(sed -n 's/^btime //p' /proc/stat)
  maps=/dev/null
  for pid in $pids; do
    maps="$maps /proc/$pid/maps"
    { read -r line <"/proc/$pid/stat"; } 2>/dev/null || continue
    # Behind the name, which may hold anything: state, parent, and eighteen fields on the start, in 1/100 s (proc(5)).
    # shellcheck disable=SC2086
    set -- "$1" "$2" ${line##*) }
    case " $pids " in *" $4 "*) continue ;; esac
    tree=$({
      readlink "/proc/$pid/exe" | sed -n "s|^$store/trees/|/trees/|p"
      # In a root of its own (RootDirectory=) it is the root that tells, as seen from the top of its disk.
      awk '$5 == "/" { print $4 }' "/proc/$pid/mountinfo"
    } 2>/dev/null | sed -n 's|.*/trees/\([0-9a-f]\{64\}[-0-9]*\).*|\1|p' | head -n 1)
    [ -z "$tree" ] || say running "$pid$tab$((booted + ${22} / 100))$tab$tree"
  done
  true >"$scratch/shared"
  # shellcheck disable=SC2086
  grep -F "$store/trees/" $maps >"$scratch/maps" 2>/dev/null
  # Generations share the inodes of what they have alike: who maps one of these has what new sessions load.
  ! grep -q -v -e "/trees/$1/[^ ]*$" -e "/trees/$2/[^ ]*$" "$scratch/maps" ||
    find "trees/$1" "trees/$2" -type f -name '*.so*' -exec stat -c 'current %i' {} + >"$scratch/shared" 2>/dev/null
  awk -v OFS='\t' -v prefix="$store/trees/" -v root="$1/" -v live="$2/" '
    $1 == "current" { current[$2]; next }
    $5 in current { next }
    {
      at = index($0, prefix)
      path = substr($0, at + length(prefix))
      isGone = sub(/ \(deleted\)$/, "", path)
      if (path !~ /\.so[.0-9]*$/ || (!isGone && (index(path, live) == 1 || index(path, root) == 1))) next
      split($0, part, "/")
      if (seen[part[3], path]++) next
      pids[path] = pids[path] == "" ? part[3] : pids[path] "," part[3]
      gone[path] = isGone
    }
    END { for (path in pids) if (++count <= 100) {
      slash = index(path, "/")
      print "mapped", substr(path, 1, slash - 1), substr(path, slash + 1), gone[path] ? "gone" : "former", substr(pids[path], 1, 200)
    } }' "$scratch/shared" "$scratch/maps"
}

# The packages that know the paths, by the host's package manager or by that of the tree itself.
tell_packages() { # reads lines: TREE path
  asked=
  while IFS=$tab read -r tree path; do
    case $path in *[!A-Za-z0-9/._+~-]* | '') continue ;; esac
    asked="$asked $root/trees/$tree/$path"
    case $tree in
      "$root_tree") asked="$asked $root/$home/root/$path" ;;
      "$live_tree") asked="$asked $root/$home/live/$key/$path" ;;
    esac
    [ ! -d "trees/$tree/var/lib/dpkg/info" ] || inside="${inside-} /$path"
  done
  [ -n "$asked" ] || return 0
  # shellcheck disable=SC2086
  {
    dpkg-query -S $asked
    [ -z "${inside-}" ] || dpkg-query --admindir="trees/$root_tree/var/lib/dpkg" -S $inside
    if command -v rpm >/dev/null; then
      for file in $asked; do rpm -q -f --qf "%{NAME}: $file\n" "$file" | grep -F ": $file"; done
    fi
  } 2>/dev/null | grep -v '^diversion' | sed "s|$root/trees/[^/]*/||; s|$root/$home/root/||; s|$root/$home/live/$key/||" |
    sed -n "s|^\([^ ]*\): /*\(.*\)$|package$tab\2$tab\1|p" | sort -u
}
