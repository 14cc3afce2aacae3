# What is there against what should be there.

# Names that a line-based listing cannot hold. No manifest has them, so they are always somebody else's.
strange='*[[:cntrl:]]*'

has_gnu_find() {
  [ -n "${gnu-}" ] || { find . -maxdepth 0 -printf '' 2>/dev/null && gnu=yes || gnu=no; }
  [ "$gnu" = yes ]
}

# One line an entry, sorted: what an edit cannot leave as it was. ctime cannot be set back, and a link cannot be led
# elsewhere without becoming another inode. Directories only tell their mode: what was added or removed in them tells
# itself. The tree's own folder and its manifest are there without a name.
list_tree() { # list_tree NAME [EXPRESSION…] of `find`, before all else
  of=$1
  shift
  if has_gnu_find; then
    find "trees/$of" "manifests/${of%%-*}" "$@" -type d -printf '%P\td\t%m\t%U:%G\n' -o \
      -printf '%P\t%y\t%m\t%U:%G\t%s\t%C@\t%i\n'
  else
    find "trees/$of" "manifests/${of%%-*}" "$@" -type d -exec stat -c "%n${tab}d${tab}%a${tab}%u:%g" {} + -o \
      -exec stat -c "%n$tab%F$tab%a$tab%u:%g$tab%s$tab%z$tab%i" {} + |
      sed "s|^trees/$of/*||; s|^manifests/${of%%-*}||; s|${tab}regular[^$tab]*|${tab}f|; s|${tab}symbolic link|${tab}l|"
  fi 2>/dev/null | sort
}

list_objects() { # lines: inode, name, mode, owner
  if has_gnu_find; then
    find objects -type f -printf '%i\t%P\t%m\t%U:%G\n'
  else
    find objects -type f -exec stat -c "%i$tab%n$tab%a$tab%u:%g" {} + | sed "s|${tab}objects/|$tab|"
  fi
}

links_of() { # links_of DIR: reads paths, prints them with where they lead
  if has_gnu_find; then
    cat >"$scratch/named"
    find "$1" -type l -printf '%P\t%l\n' 2>/dev/null | awk -F '\t' 'NR == FNR { named[$1]; next } $1 in named' "$scratch/named" -
  else
    while IFS= read -r path; do printf '%s\t%s\n' "$path" "$(readlink "$1/$path")"; done
  fi
}

# Reads paths below DIR and prints each with its hash. GNU sha256sum doubles the backslashes of a name, and says so by
# one before the sum.
hashes_of() { # hashes_of DIR
  (cd "$1" && sed 's|^|./|' | tr '\n' '\0' | xargs -0 sha256sum 2>/dev/null) |
    sed '/^\\/{s/^.//;s/\\\\/\\/g;}' | sed "s|^\([0-9a-f]*\)..\./\(.*\)|\2$tab\1|"
}

# Names that are at fault are compared with the manifest. Writes the lines of it that are not met ("want"), and those
# that are there instead ("have"), to $scratch/deviations; what the tree's objects are suspected of, to suspects; and
# how many files are no links of their objects, to copies. Owners are told only when they are neither ours nor the
# store's; so is the setgid bit of directories, which a parent may hand down.
compare() { # compare MANIFEST; reads from $scratch: paths, hashes, targets, listed, objects
  awk -F '\t' -v OFS='\t' -v owners=" $(id -u):$(id -g) $(stat -c '%u:%g' objects) " -v scratch="$scratch" '
    function mode(kind, text, owner) {
      if (kind == "d") sub(/^2/, "", text)
      return index(owners, " " owner " ") ? text : text "!" owner
    }
    part == "paths" { asked[$1]; next }
    part == "hashes" { value[$1] = $2; next }
    part == "targets" { value[$1] = substr($0, length($1) + 2); next }
    part == "objects" { inode[$2] = $1; permission[$2] = mode("f", $3, $4); next }
    part == "listed" && $1 == "" {
      if ($2 == "d" && mode("d", $3, $4) != "755") print "want\t.\td\t755\t-\nhave\t.\td", mode("d", $3, $4), "-"
      next
    }
    part == "listed" { if ($1 in asked) { kind[$1] = $2; at[$1] = $7
      have[$1] = $2 "\t" ($2 == "l" ? "777" : mode($2, $3, $4)) "\t" ($2 == "d" ? "-" : $1 in value ? value[$1] : "-") }
      next
    }
    $1 in asked {
      want = substr($0, length($1) + 2)
      isMet = $1 in have && have[$1] == want
      if (!isMet) {
        print "want", $1, want
        if ($1 in have) print "have", $1, have[$1]
      }
      delete have[$1]
      if ($2 != "f" || $4 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") next
      object = substr($4, 1, 2) "/" $4 ($3 == "555" ? ".x" : "")
      if (!(object in inode) || permission[object] != $3) print object >(scratch "/lost")
      else if (inode[object] "" != at[$1] "") { print object >(scratch "/suspects"); if (isMet) copies++ }
      else if (!isMet) print object >(scratch "/lost")
    }
    END {
      for (path in have) if (++added <= 10000) print "have", path, have[path]
      if (added > 10000) print "more", added - 10000
      print copies + 0 >(scratch "/copies")
    }
  ' part=paths "$scratch/paths" part=hashes "$scratch/hashes" part=targets "$scratch/targets" \
    part=objects "$scratch/objects" part=listed "$scratch/listed" part=want "$1" >"$scratch/deviations"
}

# Compares a tree with what was recorded of it, and only what differs with its manifest, content and all: nothing in
# $scratch/deviations for a whole tree. Lines of the record that differ all the same are in $scratch/changed. Objects
# that are not what their names say are added to $scratch/bad.
check_tree() { # check_tree NAME quick|full; fails when it cannot tell
  true >"$scratch/deviations" && true >"$scratch/changed" && true >>"$scratch/bad" || return 1
  [ -d "trees/$1" ] || { printf 'want\t.\td\t755\t-\n' >"$scratch/deviations"; return; }
  list_tree "$1" >"$scratch/listed" || return 1
  # What is recorded may be damaged, too, and then it is no list that comm takes.
  comm -3 "meta/$1" "$scratch/listed" >"$scratch/changed" 2>/dev/null || cat "$scratch/listed" >"$scratch/changed" ||
    return 1
  [ -s "$scratch/changed" ] || [ "$2" = full ] || return 0
  manifest=manifests/${1%%-*}
  # It is named by its own hash, so it cannot be edited along with a tree.
  case $(sha256sum "$manifest" 2>/dev/null) in
    "${1%%-*} "*) ;;
    *)
      echo "$manifest" >>"$scratch/bad"
      # Its own two lines differ; if they are all, the tree is as it was.
      [ "$(grep -c -v "^$tab*${tab}f$tab" "$scratch/changed")" = 0 ] ||
        printf 'want\tmanifest\tf\t444\t-\n' >"$scratch/deviations"
      true >"$scratch/changed"
      return
      ;;
  esac
  find "trees/$1" -path "$strange" -prune -print0 >"$scratch/strange"
  [ ! -s "$scratch/strange" ] || list_tree "$1" -path "$strange" -prune -o >"$scratch/listed" || return 1
  if [ "$2" = full ]; then cut -f 1 "$manifest" "$scratch/listed"; else sed "s/^$tab//" "$scratch/changed" | cut -f 1; fi |
    grep -v '[[:cntrl:]]' | sort -u >"$scratch/paths"
  awk -F '\t' 'NR == FNR { asked[$1]; next } $1 in asked && $2 == "f" { print $1 }' "$scratch/paths" "$manifest" |
    hashes_of "trees/$1" >"$scratch/hashes"
  awk -F '\t' 'NR == FNR { asked[$1]; next } $1 in asked && $2 == "l" { print $1 }' "$scratch/paths" "$scratch/listed" |
    links_of "trees/$1" >"$scratch/targets"
  list_objects >"$scratch/objects"
  true >"$scratch/suspects" && true >"$scratch/lost" || return 1
  compare "$manifest" || return 1
  tr '\001-\037\177' '?' <"$scratch/strange" | tr '\0' '\n' |
    sed "s|^trees/$1/|have$tab|; s|\$|$tab?$tab-$tab-|" >>"$scratch/deviations"
  # An object that no tree shares an inode with is read itself.
  sort -u "$scratch/suspects" >"$scratch/read" || return 1
  hashes_of objects <"$scratch/read" | awk -F '\t' 'substr($1, 4, 64) == $2 { print $1 }' | sort >"$scratch/right"
  comm -13 "$scratch/right" "$scratch/read" >>"$scratch/lost"
  [ -s "$scratch/lost" ] || return 0
  cat "$scratch/lost" >>"$scratch/bad"
  sed "s|^|$1$tab|" "$scratch/lost" >>"$scratch/unrecorded"
  true >"$scratch/changed"
}

# link(2) and unlink(2) change ctime, so what is recorded of trees is renewed after both; but only of trees that
# were whole before, or tampering would become the truth.
whole_trees() { # prints names; leaves in $scratch/bad the objects that are not what they should be
  for tree in trees/*; do
    [ -d "$tree" ] || continue
    name=${tree#trees/}
    check_tree "$name" quick || return 1
    [ -s "$scratch/deviations" ] || echo "$name"
  done
}

record_trees() { # reads names
  while IFS= read -r name; do
    [ -d "trees/$name" ] || continue
    # What is damaged beside a tree that is whole must not look as it should: its objects, its manifest.
    ! grep -q "^$name$tab" "$scratch/unrecorded" 2>/dev/null || continue
    case $(sha256sum "manifests/${name%%-*}") in "${name%%-*} "*) ;; *) continue ;; esac
    list_tree "$name" >meta/.new && mv -T meta/.new "meta/$name"
  done
}

# A backup that was restored gives every file another inode and ctime, and with them a look at all content, each time.
# So what was found to be whole is recorded, as it was listed before its content was read: what changed meanwhile will
# differ. Whoever holds the lock records it himself.
renew_record() { # renew_record NAME: of the tree that was checked last
  say renewed "$1$tab$(grep -c . "$scratch/changed")$tab$(cat "$scratch/copies")"
  (
    { exec 9>>lock && flock -n 9 && cp "$scratch/listed" meta/.new && mv -T meta/.new "meta/$1"; } 2>/dev/null
  )
}
