# Shared by all verbs; each verb's text follows it. Floor: POSIX sh, tar, sha256sum, mv -T, flock, find, sort, comm,
# awk, stat, xargs -0 (GNU or busybox). Every verb begins its output with BEGIN and the caller's nonce, because rc
# files may print before us, and ends it with one line: OK …, or FAIL <code> <text>.
set -u
umask 022
LC_ALL=C
export LC_ALL
tab=$(printf '\t')

say() { printf '%s\t%s\n' "$1" "$2"; }

fail() { # fail CODE TEXT
  printf 'FAIL\t%s\t%s\n' "$1" "$2"
  exit 0
}

begin() { # begin NONCE ROOT INSTANCE
  printf '\nBEGIN %s\n' "$1"
  root=$2
  instance=$3
  home=instances/$instance
}

lacking() { # prints what the host lacks, one name a line
  for tool in tar sha256sum flock find sort comm awk stat xargs readlink df; do
    command -v "$tool" >/dev/null 2>&1 || echo "$tool"
  done
  mv --help 2>&1 | grep -q -e '-T' || echo 'mv -T'
}

current_generation() { # prints the number, 0 if there is none
  link=$(readlink "$home/current" 2>/dev/null) && echo "${link##*/}" || echo 0
}

# One line an entry: what an edit cannot leave as it was. Times have nanoseconds where the tools give them, and
# ctime cannot be set back. Directories only tell their mode: what was added or removed in them tells itself.
list_tree() { # list_tree DIR
  (
    cd "$1" || exit 1
    if find . -maxdepth 0 -printf '' 2>/dev/null; then
      find . -mindepth 1 \( -type d -printf '%P\td\t%m\t%U:%G\n' -o \
        -printf '%P\t%y\t%m\t%U:%G\t%s\t%T@\t%C@\t%i\t%l\n' \)
    else
      find . -type d -exec stat -c "%n${tab}d${tab}%a${tab}%u:%g" {} +
      find . ! -type d -exec stat -c "%N${tab}f${tab}%f${tab}%u:%g${tab}%s${tab}%y${tab}%z${tab}%i" {} + |
        sed "s/^'\([^']*\)' -> '\(.*\)'$tab\(.*\)/\1$tab\3$tab\2/; s/^'\([^']*\)'$tab/\1$tab/"
    fi | sed 's|^\./||; /^\.	/d' | sort
  )
}

# Describes the paths named on stdin as manifest lines: what is there now, with its content's hash.
describe_paths() { # describe_paths DIR
  (
    cd "$1" || exit 1
    owner=$(id -u):$(id -g)
    while IFS= read -r path; do
      if [ -L "$path" ]; then
        printf '%s\tl\t777\t%s\n' "$path" "$(readlink "$path")"
      elif [ -f "$path" ]; then
        printf './%s\0' "$path" >&3
      elif [ -d "$path" ]; then
        printf './%s\0' "$path" >&4
      elif [ -e "$path" ]; then
        printf '%s\t?\t-\t-\n' "$path"
      fi
    done 3>"$scratch/files" 4>"$scratch/directories"
    {
      if [ -s "$scratch/files" ]; then
        xargs -0 sha256sum <"$scratch/files" | sed "s|^\\([0-9a-f]*\\)..\\./\\(.*\\)|\\2${tab}h$tab\\1|"
        xargs -0 stat -c "%n${tab}f${tab}%a${tab}%u:%g" <"$scratch/files" | sed 's|^\./||'
      fi
      [ ! -s "$scratch/directories" ] ||
        xargs -0 stat -c "%n${tab}d${tab}%a${tab}%u:%g" <"$scratch/directories" | sed 's|^\./||'
    } | awk -F '\t' -v OFS='\t' -v owner="$owner" '
      $2 == "h" { hash[$1] = $3; next }
      { mode = $4 == owner ? $3 : $3 "!" $4; print $1, $2, mode, $2 == "d" ? "-" : hash[$1] }'
  )
}

# Compares a tree with what was recorded of it, hashes only what differs, and prints the lines of the manifest that
# are not met ("want") and the lines that are there instead ("have"). Prints nothing for a tree that is whole.
check_tree() { # check_tree NAME quick|full
  manifest=manifests/${1%%-*}
  [ -d "trees/$1" ] || { printf 'want\t.\td\t755\t-\n'; return; }
  [ -f "$manifest" ] || { printf 'want\tmanifest\tf\t444\t-\n'; return; }
  recorded=meta/$1
  if [ "$2" = full ] || [ ! -f "$recorded" ]; then recorded=/dev/null; fi
  list_tree "trees/$1" | comm -3 "$recorded" - | sed "s/^$tab//" | cut -f 1 | sort -u >"$scratch/paths"
  if [ "$recorded" = /dev/null ]; then
    cp "$manifest" "$scratch/want"
  else
    awk -F '\t' 'NR == FNR { seen[$1]; next } $1 in seen' "$scratch/paths" "$manifest" >"$scratch/want"
  fi
  describe_paths "trees/$1" <"$scratch/paths" | sort >"$scratch/have"
  comm -23 "$scratch/want" "$scratch/have" | sed "s/^/want$tab/"
  comm -13 "$scratch/want" "$scratch/have" | sed "s/^/have$tab/"
}

make_scratch() {
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/pgoci.XXXXXX") || fail NO_SPACE "cannot make a temporary folder"
  trap 'rm -rf "$scratch"' EXIT
}

free_space() { # prints: free kB, floor kB, free inodes; Postgres shares the disk, so a floor is always left
  df -kP . | awk 'NR == 2 { floor = $2 * 0.03; most = $2 * 0.1; least = most < 1048576 ? most : 1048576
    if (floor < least) floor = least; printf "%d\t%d", $4, floor }'
  inodes=$(df -iP . 2>/dev/null | awk 'NR == 2 { print $4 }')
  case $inodes in '' | *[!0-9]* | 0) inodes=-1 ;; esac
  printf '\t%s\n' "$inodes"
}

# The kernel frees the lock when the holder ends, however it ends.
take_lock() { # take_lock SECONDS HOLDER
  exec 9>>lock || fail HOST_REFUSED "cannot write to $root/lock"
  waited=0
  until flock -n 9; do
    [ "$waited" -lt "$1" ] || fail LOCKED "$(cat lock.holder 2>/dev/null)"
    waited=$((waited + 1))
    sleep 1
  done
  printf '%s\n' "$2" >lock.holder
}

settle() { # settle PATH: what was written below PATH survives a power cut
  sync -f "$1" 2>/dev/null || sync
}

# Trees that a running process executes, maps, or has as its root (systemd's RootDirectory= hides the path from
# exe and maps; mountinfo tells).
trees_in_use() {
  {
    # shellcheck disable=SC2012
    ls -l /proc/[0-9]*/exe
    cat /proc/[0-9]*/maps /proc/[0-9]*/mountinfo
  } 2>/dev/null | grep -o '/trees/[0-9a-f]\{64\}[-0-9]*' | sed 's|^/trees/||' | sort -u
}

# Keeps of each instance the current generation, the two before it, and those whose root still runs.
collect_garbage() {
  trees_in_use >"$scratch/used"
  for each in instances/*/; do
    [ -d "$each" ] || continue
    now=$(readlink "${each}current" 2>/dev/null)
    now=${now##*/}
    # shellcheck disable=SC2012
    ls "${each}generations" | sort -rn | {
      kept=0
      while IFS= read -r number; do
        tree=$(readlink "${each}generations/$number/root")
        if [ "$number" = "$now" ] || [ "$kept" -lt 2 ] || grep -q -x -F "${tree##*/}" "$scratch/used"; then
          [ "$number" = "$now" ] || kept=$((kept + 1))
        else
          rm -rf "${each}generations/$number"
        fi
      done
    }
    for link in "${each}live"/*; do
      [ -L "$link" ] || continue
      wanted=
      for generation in "${each}generations"/*/; do
        [ "$(readlink "${generation}distribution")" = "${link##*/}" ] && wanted=yes
      done
      [ -n "$wanted" ] || rm -f "$link"
    done
  done
  {
    cat "$scratch/used"
    for link in instances/*/generations/*/root instances/*/generations/*/live; do
      [ ! -L "$link" ] || { target=$(readlink "$link"); echo "${target##*/}"; }
    done
  } | sort -u >"$scratch/trees"
  for tree in trees/*; do
    [ -d "$tree" ] || continue
    name=${tree#trees/}
    grep -q -x -F "$name" "$scratch/trees" || { mv -T "$tree" "staging/gone-$name" && rm -f "meta/$name"; }
  done
  rm -rf staging/gone-*
  {
    sed 's/-.*//' "$scratch/trees"
    cat instances/*/generations/*/members 2>/dev/null
  } | sort -u >"$scratch/manifests"
  for manifest in manifests/*; do
    [ ! -f "$manifest" ] || grep -q -x -F "${manifest#manifests/}" "$scratch/manifests" || rm -f "$manifest"
  done
  find objects -type f -links 1 -exec rm -f {} +
}

# link(2) and unlink(2) change ctime, so what is recorded of trees is renewed after both; but only of trees that
# were whole before, or tampering would become the truth.
whole_trees() {
  for tree in trees/*; do
    [ -d "$tree" ] || continue
    name=${tree#trees/}
    [ -n "$(check_tree "$name" quick)" ] || echo "$name"
  done
}

record_trees() { # reads names
  while IFS= read -r name; do
    [ ! -d "trees/$name" ] || { list_tree "trees/$name" >meta/.new && mv -T meta/.new "meta/$name"; }
  done
}
