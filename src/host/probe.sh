# probe NONCE ROOT INSTANCE none|quick|full change|recheck|report
# stdin: lines "known <manifest hex>" (only say that it is there), "give <manifest hex>" (send it, and say what its tree misses)
# and "want <object>" (say if it is missing); "deep <generation>" has every file of its trees hashed.
# Takes no lock, so it reads one generation by its number: three are kept, whatever happens meanwhile.
begin "$1" "$2" "$3"
check_tools
say machine "$(uname -m)"
make_scratch
true >"$scratch/old"
mv -T "$scratch/old" "$scratch/new" 2>/dev/null || fail_without 'mv -T'
say zstd "$(command -v zstd >/dev/null 2>&1 && echo yes || echo no)"
say gzip "$(command -v gzip >/dev/null 2>&1 && echo yes || echo no)"
cat >"$scratch/asked" || scratch_failed
parent=$root
while [ ! -d "$parent" ]; do parent=$(dirname "$parent"); done
cd "$parent" || fail HOST_REFUSED "$(id -un) may not enter $parent"
[ -w . ] || fail HOST_REFUSED "$(id -un) may not write to $parent, or it is read-only"
if ! open_store; then
  check_mount
  say generation 0
  say empty yes
  echo OK
  exit 0
fi
if [ "$instance" = - ]; then # which is no name of one: which are there?
  for each in instances/*/current; do
    each=${each#instances/}
    [ ! -L "instances/$each" ] || say instance "${each%/current}"
  done
  echo OK
  exit 0
fi
generation=$(current_generation)
say generation "$generation"
# shellcheck disable=SC2012
numbers=$(ls "$home/generations" 2>/dev/null | sort -n)
say last "${numbers##*"$newline"}"
# Of a `current` that was led astray, the last generation that it led to tells what is declared.
shown=$generation
if [ "$shown" = 0 ]; then
  for each in $numbers; do [ ! -f "$home/generations/$each/switched" ] || shown=$each; done
fi
say shown "$shown"
here=$home/generations/$shown
# A tree of role `other` belongs to another instance, to a process that still runs, or to a push that was killed:
# its name is taken, and nobody may count on it.
born=
for each in "$home"/generations/*; do
  [ -f "$each/switched" ] || [ "${each##*/}" = "$generation" ] || continue
  [ ! -f "$each/record.json" ] || [ "${each##*/}" = "$shown" ] ||
    say kept "${each##*/}$tab$(tr -d '\n' <"$each/record.json")"
  for role in root live; do
    name=$(trees_of_links "$each/$role")
    [ -n "$name" ] || continue
    say tree "${each##*/}$tab$role$tab$name"
    born=$born$newline$name
  done
done
for each in trees/*; do
  if [ ! -d "$each" ]; then
    say empty yes
  elif ! among "${each#trees/}" "$born"; then
    say tree "0${tab}other$tab${each#trees/}"
  fi
done

# Pushes that overtook us may have collected what we read from, since we read its number, and then all of it came out short.
check_still() { [ "$shown" = 0 ] || [ -d "$here" ] || fail STORE_CHANGED "generation $shown was current, and is gone"; }

blame() { # blame TREE: which could not be looked at
  check_still
  [ ! -d "trees/$1" ] || scratch_failed
}

check_link() { # check_link LINK TARGET: of the instance's folder
  found=$(readlink "$home/$1")
  [ "$found" != "$2" ] || return 0
  say store "want$tab$home/$1${tab}l${tab}777$tab$2"
  if [ -n "$found" ] || [ -e "$home/$1" ]; then say store "have$tab$home/$1${tab}l${tab}777$tab$found"; fi
}

damaged=
if [ -f "$here/sums" ]; then
  damaged=$(cd "$here" && sha256sum -c sums 2>/dev/null | sed -n 's/: FAILED.*//p')
  for each in $damaged; do
    say store "want$tab$here/$each${tab}f${tab}444$tab-"
    [ ! -e "$here/$each" ] || say store "have$tab$here/$each${tab}f${tab}444$tab?"
  done
fi
if [ "$shown" != 0 ]; then
  record=record.json
  ! among record.json "$damaged" || record=record.copy
  say record "$(cat "$here/$record")"
fi
root_tree=$(trees_of_links "$here/root") live_tree=$(trees_of_links "$here/live") key=$(readlink "$here/distribution")
is_drifted=no
true >"$scratch/drifted" || scratch_failed
if [ "$4" != none ] && [ "$shown" != 0 ]; then
  # Former trees matter to those who go back to them; their own push proves them again.
  if [ "$5" = recheck ]; then checked=$born; else checked=$root_tree$newline$live_tree; fi
  deep=$home/generations/$(sed -n 's/^deep \([0-9]*\)$/\1/p' "$scratch/asked" | head -n 1)
  deep=$(trees_of_links "$deep/root" "$deep/live")
  true >"$scratch/bad" || scratch_failed
  printf '%s\n' "$checked" | sort -u | sed '/^$/d' >"$scratch/each" || scratch_failed
  while IFS= read -r name; do
    if among "$name" "$deep"; then depth=full; else depth=$4; fi
    check_tree "$name" "$depth" || blame "$name"
    # A tree that a push has collected while we looked is no drift.
    [ -d "trees/$name" ] || among "$name" "$root_tree$newline$live_tree$newline$deep" || continue
    sed "s/^/check$tab$name$tab/" "$scratch/deviations"
    [ ! -s "$scratch/deviations" ] || is_drifted=yes
    sed -n "s/^have$tab\([^$tab]*\).*/$name$tab\1/p" "$scratch/deviations" >>"$scratch/drifted"
    [ -s "$scratch/deviations" ] || [ ! -s "$scratch/changed" ] || renew_record "$name"
  done <"$scratch/each"
  sort -u "$scratch/bad" | sed "s/^/bad$tab/"
  check_link current "generations/$shown"
  # Through these two servers see the trees; the second one is set after the switch, so a kill may keep it back.
  check_link root current/root
  check_link "live/$key" ../current/live
  if [ -f "$here/links" ]; then
    while read -r name target; do check_link "generations/$shown/$name" "$target"; done <"$here/links"
  fi
  [ "$5" = change ] || tell_running "$root_tree" "$live_tree"
  if [ "$5" = report ]; then
    head -n 20 "$scratch/drifted" | tell_packages
  fi
fi
# Megabytes, which nobody reads in a report of a host where all is well.
sent=/dev/null
if [ "$5" != report ] || [ $is_drifted = yes ]; then
  sent=$here/members
  while IFS= read -r manifest; do
    if grep -q -x -F "known $manifest" "$scratch/asked"; then
      case $(sha256sum "manifests/$manifest") in "$manifest "*) say held "$manifest" ;; esac
      continue
    fi
    say manifest "$manifest"
    sed 's/^/m	/' "manifests/$manifest"
  done 2>/dev/null <"$here/members"
fi
sed -n 's/^give \([0-9a-f]*\)$/\1/p' "$scratch/asked" >"$scratch/given" || scratch_failed
while IFS= read -r manifest; do
  [ -f "manifests/$manifest" ] || continue
  if ! grep -q -x "$manifest" "$sent" 2>/dev/null; then
    say manifest "$manifest"
    sed 's/^/m	/' "manifests/$manifest"
  fi
  awk -F '\t' '$2 == "f" { print "want " substr($4, 1, 2) "/" $4 ($3 == "555" ? ".x" : "") }' \
    "manifests/$manifest" >>"$scratch/asked" || scratch_failed
done <"$scratch/given"
sed -n 's/^want //p' "$scratch/asked" | while IFS= read -r object; do
  [ -e "objects/$object" ] || say missing "$object"
done
check_scratch
check_still
echo OK
