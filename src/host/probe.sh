# probe NONCE ROOT INSTANCE none|quick|full
# stdin: lines "known <manifest hex>" (do not send it) and "want <object>" (say if it is missing).
# Takes no lock, so it reads one generation by its number: three are kept, whatever happens meanwhile.
begin "$1" "$2" "$3"
check_tools
say machine "$(uname -m)"
say user "$(id -un):$(id -u)"
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
say free "$(free_space)"
if ! open_store; then
  check_mount
  say generation 0
  sed -n "s/^want /missing$tab/p" "$scratch/asked"
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
here=$home/generations/$generation
say generation "$generation"
# shellcheck disable=SC2012
say last "$(ls "$home/generations" 2>/dev/null | sort -n | tail -n 1)"
if [ "$generation" != 0 ] && [ -d "$here" ]; then
  say record "$(cat "$here/record.json")"
  while IFS= read -r manifest; do
    grep -q -x -F "known $manifest" "$scratch/asked" && continue
    say manifest "$manifest"
    sed 's/^/m	/' "manifests/$manifest"
  done <"$here/members"
fi
# A tree of role `other` belongs to another instance, to a process that still runs, or to a push that was killed:
# its name is taken, and nobody may count on it.
born=
for each in "$home"/generations/*; do
  [ -f "$each/switched" ] || [ "${each##*/}" = "$generation" ] || continue
  for role in root live; do
    name=$(trees_of_links "$each/$role")
    [ -n "$name" ] || continue
    say tree "${each##*/}$tab$role$tab$name"
    born=$born$newline$name
  done
done
for each in trees/*; do
  among "${each#trees/}" "$born" || [ ! -d "$each" ] || say tree "0${tab}other$tab${each#trees/}"
done
# Through these two links servers see the trees; the second one is set after the switch, so a kill may keep it back.
check_link() { # check_link LINK TARGET TREE
  found=$(readlink "$home/$1")
  [ "$found" != "$2" ] || return
  say check "$3${tab}want$tab$home/$1${tab}l${tab}777$tab$2"
  [ -z "$found" ] || say check "$3${tab}have$tab$home/$1${tab}l${tab}777$tab$found"
}

if [ "$4" != none ]; then
  active=$(trees_of_links "$here/root" "$here/live")
  printf '%s\n' "$born" | sort -u | sed '/^$/d' >"$scratch/each" || scratch_failed
  while IFS= read -r name; do
    depth=quick
    ! among "$name" "$active" || depth=$4
    check_tree "$name" "$depth" || scratch_failed
    # A tree that a push has collected while we looked is no drift.
    [ -d "trees/$name" ] || among "$name" "$active" || continue
    sed "s/^/check$tab$name$tab/" "$scratch/deviations"
  done <"$scratch/each"
  if [ -n "$active" ]; then
    check_link root current/root "$(trees_of_links "$here/root")"
    check_link "live/$(readlink "$here/distribution")" ../current/live "$(trees_of_links "$here/live")"
  fi
fi
sed -n 's/^want //p' "$scratch/asked" | while IFS= read -r object; do
  [ -e "objects/$object" ] || say missing "$object"
done
check_scratch
echo OK
