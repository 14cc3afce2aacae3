# What is there against what should be there.

# Names that a line-based listing cannot hold. No manifest has them, so they are always somebody else's; a list has
# a line `?` for each, which is never met.
strange='*[[:cntrl:]]*'

gnu_find() { find . -maxdepth 0 -printf '' 2>/dev/null; }

# One line an entry: what an edit cannot leave as it was. Times have nanoseconds where the tools give them, ctime
# cannot be set back, and a link cannot be led elsewhere without becoming another inode. Directories only tell their
# mode: what was added or removed in them tells itself.
list_tree() { # list_tree DIR
  (
    cd "$1" || exit 1
    if gnu_find; then
      find . -mindepth 1 -path "$strange" -prune -printf '?\n' -o \( -type d -printf '%P\td\t%m\t%U:%G\n' -o \
        -printf '%P\t%y\t%m\t%U:%G\t%s\t%T@\t%C@\t%i\n' \)
    else
      find . -path "$strange" -prune -exec echo '?' \; -o -type d -exec stat -c "%n${tab}d${tab}%a${tab}%u:%g" {} +
      find . -path "$strange" -prune -o ! -type d \
        -exec stat -c "%n${tab}f${tab}%f${tab}%u:%g${tab}%s${tab}%y${tab}%z${tab}%i" {} +
    fi | sed "s|^\\./||; /^\\.$tab/d" | sort
  )
}

# Describes the paths named on stdin as manifest lines: what is there now, with its content's hash. Owners are told
# only when they are neither ours nor the store's; so is the setgid bit of directories, which a parent may hand down.
describe_paths() { # describe_paths DIR
  owners="$(id -u):$(id -g) $(stat -c '%u:%g' objects)"
  (
    cd "$1" || exit 1
    while IFS= read -r path; do
      if [ -L "$path" ]; then
        printf './%s\0' "$path" >&5
      elif [ -f "$path" ]; then
        printf './%s\0' "$path" >&3
      elif [ -d "$path" ]; then
        printf './%s\0' "$path" >&4
      elif [ -e "$path" ]; then
        printf '%s\t?\t-\t-\n' "$path"
      fi
    done 3>"$scratch/files" 4>"$scratch/directories" 5>"$scratch/links"
    if [ ! -s "$scratch/links" ]; then
      :
    elif gnu_find; then
      # shellcheck disable=SC2016
      xargs -0 sh -c 'find "$@" -maxdepth 0 -printf "%p\tl\t777\t%l\n"' sh <"$scratch/links" | sed 's|^\./||'
    else
      tr '\0' '\n' <"$scratch/links" | while IFS= read -r path; do
        printf '%s\tl\t777\t%s\n' "${path#./}" "$(readlink "$path")"
      done
    fi
    {
      if [ -s "$scratch/files" ]; then
        # GNU sha256sum doubles the backslashes of a name, and says so by one before the sum.
        xargs -0 sha256sum <"$scratch/files" | sed '/^\\/{s/^.//;s/\\\\/\\/g;}' | sed "s|^\\([0-9a-f]*\\)..\\./\\(.*\\)|\\2${tab}h$tab\\1|"
        xargs -0 stat -c "%n${tab}f${tab}%a${tab}%u:%g" <"$scratch/files" | sed 's|^\./||'
      fi
      [ ! -s "$scratch/directories" ] ||
        xargs -0 stat -c "%n${tab}d${tab}%a${tab}%u:%g" <"$scratch/directories" | sed 's|^\./||'
    } | awk -F '\t' -v OFS='\t' -v owners=" $owners " '
      $2 == "h" { hash[$1] = $3; next }
      { if ($2 == "d") sub(/^2/, "", $3)
        mode = index(owners, " " $4 " ") ? $3 : $3 "!" $4
        print $1, $2, mode, $2 == "d" ? "-" : hash[$1] }'
    find . -path "$strange" -prune -print0 | tr '\001-\037\177' '?' | tr '\0' '\n' | sed "s|^\\./||; s|\$|$tab?$tab-$tab-|"
  ) 2>/dev/null
}

# Compares a tree with what was recorded of it, hashes only what differs, and writes to $scratch/deviations the lines
# of the manifest that are not met ("want") and the lines that are there instead ("have"): nothing for a whole tree.
check_tree() { # check_tree NAME quick|full; fails when it cannot tell
  manifest=${1%%-*}
  true >"$scratch/deviations" || return 1
  [ -d "trees/$1" ] || { printf 'want\t.\td\t755\t-\n' >"$scratch/deviations"; return; }
  # A manifest is named by its own hash, so it cannot be edited along with a tree.
  case $(sha256sum "manifests/$manifest" 2>/dev/null) in
    "$manifest "*) ;;
    *) printf 'want\tmanifest\tf\t444\t-\n' >"$scratch/deviations"; return ;;
  esac
  recorded=meta/$1
  if [ "$2" = full ] || [ ! -f "$recorded" ]; then recorded=/dev/null; fi
  list_tree "trees/$1" >"$scratch/listed" || return 1
  comm -3 "$recorded" "$scratch/listed" >"$scratch/changed" || return 1
  [ -s "$scratch/changed" ] || [ "$recorded" = /dev/null ] || return 0
  sed "s/^$tab//" "$scratch/changed" | cut -f 1 | sort -u >"$scratch/paths" || return 1
  if [ "$recorded" = /dev/null ]; then
    sort "manifests/$manifest" >"$scratch/want" || return 1
  else
    awk -F '\t' 'NR == FNR { seen[$1]; next } $1 in seen' "$scratch/paths" "manifests/$manifest" |
      sort >"$scratch/want" || return 1
  fi
  describe_paths "trees/$1" <"$scratch/paths" | sort >"$scratch/have" || return 1
  {
    comm -23 "$scratch/want" "$scratch/have" | sed "s/^/want$tab/" &&
      comm -13 "$scratch/want" "$scratch/have" | sed "s/^/have$tab/"
  } >"$scratch/deviations"
}

# link(2) and unlink(2) change ctime, so what is recorded of trees is renewed after both; but only of trees that
# were whole before, or tampering would become the truth.
whole_trees() { # prints names
  for tree in trees/*; do
    [ -d "$tree" ] || continue
    name=${tree#trees/}
    check_tree "$name" quick || return 1
    [ -s "$scratch/deviations" ] || echo "$name"
  done
}

record_trees() { # reads names
  while IFS= read -r name; do
    [ ! -d "trees/$name" ] || { list_tree "trees/$name" >meta/.new && mv -T meta/.new "meta/$name"; }
  done
}
