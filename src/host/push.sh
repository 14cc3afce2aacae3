# push NONCE ROOT INSTANCE TRANSACTION EXPECTED NEXT DISTRIBUTION cat|gzip|zstd KB INODES WAIT HOLDER PACKS
# stdin: tars of staging/next, one after the other: objects/, which other hosts get as well, then trees/, manifests/,
# like/ and LIKE (see make_of_others), generation/, BAD, and COMPLETE last. Of objects/, PACKS names what a relay has: see fetch_packs.
# Everything is written under new names; what is there already is linked to, renamed over or removed, never written.
begin "$1" "$2" "$3"
transaction=$4 expected=$5 next=$6 distribution=$7 compression=$8 packs=${13}
make_scratch
if open_store; then
  check_mount
else
  mkdir -p "$root" 2>"$scratch/mkdir" || fail HOST_REFUSED "$(head -n 1 "$scratch/mkdir")"
  cd "$root" || fail HOST_REFUSED "$(id -un) may not enter $root"
  check_mount
  # On the disk before it has its name: a power cut would leave an empty FORMAT, which nobody knows.
  (echo 1 >"FORMAT.$$") 2>/dev/null || fail HOST_REFUSED "$(id -un) may not write to $root, or it is full or read-only"
  settle "FORMAT.$$"
  mv -T "FORMAT.$$" FORMAT 2>/dev/null || [ -f FORMAT ] || fail HOST_REFUSED "cannot write to $root"
fi
take_lock "${11}" "${12}"
mkdir -p objects trees manifests meta instances staging "$home/generations" "$home/live" 2>"$scratch/mkdir" ||
  fail HOST_REFUSED "$(head -n 1 "$scratch/mkdir")"
found=$(current_generation)
[ "$found" = "$expected" ] || fail STORE_CHANGED "generation $found is current, not $expected"
[ "$found" = 0 ] || touch "$home/current/switched"
# Nobody else can be at work while we hold the lock, so whatever lies in staging was left by a crash.
sweep_leftovers
[ "$found" != 0 ] || check_links
stage=staging/next
relayed=staging/relayed
trap 'rm -rf "$scratch" "$stage" "$relayed"' EXIT
make_room "$9" "${10}"
# Before tar links to their files, which would look like a change of all of them.
whole_trees >"$scratch/whole" || scratch_failed

# Says why files could not be written.
unwritten() { # unwritten TOOL FILE: in which it said why
  # The first lines tell; a full disk makes thousands.
  said=$(head -c 400 "$2")
  case $said in
    *'No space'* | *quota*) fail NO_SPACE "the disk of $root, or its number of files, ran full while writing" ;;
    *'Too many links'*)
      # They give way to other inodes, which the next run sends.
      find objects -type f -links +1000 -exec rm -f {} +
      fail STORE_CHANGED "a file has as many links as the file system of $root allows" ;;
    *' link '*'No such file'* | *hardlink*) fail STORE_CHANGED "files that were there are gone" ;;
    *EOF* | *'not look like a tar'* | *'short read'* | *'premature'* | *'unexpected end'* | '') fail CUT "the stream ended early" ;;
  esac
  fail HOST_REFUSED "$1 in $root: $said"
}

# What is like something that is here travels as a recipe: lines `=` manifest, `-` path that goes, `+` line that comes.
# LIKE names the trees, and the trees that they are made of, by hard links as tar would make them.
make_of_others() {
  mkdir "$stage/made" || fail HOST_REFUSED "cannot write to $root"
  for recipe in "$stage"/like/*; do
    [ -f "$recipe" ] || continue
    name=${recipe##*/}
    read -r _ base <"$recipe"
    awk -F '\t' 'NR == FNR { if ($1 == "-") gone[$2]; else if ($1 == "+") print substr($0, 3); next } !($1 in gone)' \
      "$recipe" "manifests/$base" 2>/dev/null | sort >"$stage/manifests/$name" 2>"$scratch/made" ||
      unwritten sort "$scratch/made"
    case $(sha256sum "$stage/manifests/$name") in
      "$name "*) ;;
      *) fail STORE_CHANGED "$root/manifests/$base is gone or another one" ;;
    esac
  done
  [ ! -s "$stage/LIKE" ] || list_objects >"$scratch/objects" || scratch_failed
  while read -r name base; do
    grep -q -x "$base" "$scratch/whole" || fail STORE_CHANGED "$root/trees/$base is gone or damaged"
    # Copies, as a restored backup has them, and files whose objects have given way (most_links): trees made of them would
    # leave the objects to the garbage.
    list_tree "$base" | awk -F '\t' 'NR == FNR { object[$1]; next }
      $1 != "" && $2 == "f" && $5 > 0 && !($7 in object) { isOther = 1 }
      END { exit isOther }' "$scratch/objects" - || fail STORE_CHANGED "$root/trees/$base has files that are no objects"
    {
      cp -al "trees/$base" "$stage/made/$name" &&
        sed -n "s/^-$tab//p" "$stage/like/${name%%-*}" | tr '\n' '\0' | (cd "$stage/made/$name" && xargs -0 rm -rf --) &&
        cp -al "$stage/trees/$name/." "$stage/made/$name" &&
        rm -rf "$stage/trees/$name" &&
        mv -T "$stage/made/$name" "$stage/trees/$name"
    } 2>"$scratch/made" || unwritten cp "$scratch/made"
  done <"$stage/LIKE"
}

[ -z "$packs" ] || fetch_packs "$packs" "$relayed"
unfold() {
  case $compression in
    zstd) zstd -dcq ;;
    gzip) gzip -dc ;;
    *) cat ;;
  esac 2>/dev/null
}
{
  [ -z "$packs" ] || cat "$relayed"/* | unfold
  unfold
} | tar -xf - 2>"$scratch/tar" || unwritten tar "$scratch/tar"
# tar ends with 0 on a stream that was cut between two members; only the last member proves that all came.
[ "$(cat "$stage/COMPLETE" 2>/dev/null)" = "$transaction" ] || fail CUT "the stream ended early"
# Each is named by its hash.
(cd "$stage/objects" && find . -type f) | sed 's|^\./||' >"$scratch/came" || scratch_failed
if [ -s "$scratch/came" ]; then
  (cd "$stage/objects" && tr '\n' '\0' <"$scratch/came" | sum_files) >"$scratch/sums" 2>/dev/null
  awk '!index($2, "/" $1)' "$scratch/sums" >"$scratch/wrong" || scratch_failed
  if [ -s "$scratch/wrong" ] || [ "$(grep -c . "$scratch/came")" != "$(grep -c . "$scratch/sums")" ]; then
    fail DIGEST_MISMATCH "$(head -n 3 "$scratch/wrong")"
  fi
fi
make_of_others
for role in root live; do
  name=$(trees_of_links "$stage/generation/$role")
  [ -d "$stage/trees/$name" ] || grep -q -x "$name" "$scratch/whole" ||
    fail STORE_CHANGED "$root/trees/$name is gone or damaged"
done
# Of an object that is damaged, as another tree betrays, the sender may not have known.
if [ -s "$scratch/bad" ]; then
  for tree in "$stage"/trees/*; do
    [ ! -d "$tree" ] || cat "$stage/manifests/$(basename "$tree" | cut -c 1-64)"
  done | awk -F '\t' '$2 == "f" { print substr($4, 1, 2) "/" $4 ($3 == "555" ? ".x" : "") }' |
    grep -x -F -f "$scratch/bad" | while IFS= read -r object; do
    [ -e "$stage/objects/$object" ] || echo "$object"
  done >"$scratch/unsent"
  [ ! -s "$scratch/unsent" ] || fail STORE_CHANGED "$root/objects/$(head -n 1 "$scratch/unsent") is damaged"
fi
label "$stage"
settle "$stage"

# Objects that were found damaged give way to their replacements; trees that hold the old inode stay as they are.
if [ -f "$stage/BAD" ]; then
  (cd objects && xargs rm -f) <"$stage/BAD"
  grep -v -F -f "$stage/BAD" "$scratch/unrecorded" >"$scratch/still" 2>/dev/null
  mv -f "$scratch/still" "$scratch/unrecorded"
fi
# What another instance has brought meanwhile stays, and our trees take it instead of a copy of their own.
while IFS= read -r object; do
  [ ! -e "objects/$object" ] || echo "$object"
done <"$scratch/came" >"$scratch/twice"
if [ -s "$scratch/twice" ]; then
  for tree in "$stage"/trees/*; do
    name=${tree##*/}
    if [ ! -d "$tree" ] || [ -e "trees/$name" ]; then continue; fi
    awk -F '\t' 'NR == FNR { twice[$1]; next }
      $2 == "f" && (object = substr($4, 1, 2) "/" $4 ($3 == "555" ? ".x" : "")) in twice { print object "\t" $1 }' \
      "$scratch/twice" "$stage/manifests/${name%%-*}" >"$scratch/links" || scratch_failed
    while IFS=$tab read -r object path; do
      ln -f "objects/$object" "$tree/$path" 2>"$scratch/ln" || unwritten ln "$scratch/ln"
    done <"$scratch/links"
  done
  (cd "$stage/objects" && xargs rm -f) <"$scratch/twice"
  settle "$stage"
fi
cp -al "$stage/objects/." objects/ 2>"$scratch/cp" || fail NO_SPACE "$(head -n 1 "$scratch/cp")"
for manifest in "$stage"/manifests/*; do
  [ ! -f "$manifest" ] || mv -T "$manifest" "manifests/${manifest##*/}" || fail HOST_REFUSED "cannot rename in $root"
done
for tree in "$stage"/trees/*; do
  name=${tree##*/}
  if [ ! -d "$tree" ]; then
    continue
  elif [ ! -e "trees/$name" ]; then
    mv -T "$tree" "trees/$name" || fail HOST_REFUSED "cannot rename in $root"
    echo "$name" >>"$scratch/whole"
  else
    # Another instance has the same tree; a damaged one cannot be taken, and its name is not free.
    grep -q -x "$name" "$scratch/whole" || fail STORE_CHANGED "$root/trees/$name was damaged meanwhile"
  fi
done
rm -rf "$home/generations/$next"
mv -T "$stage/generation" "$home/generations/$next" || fail HOST_REFUSED "cannot rename in $root"
rm -rf "$stage" 2>"$scratch/rm" || fail HOST_REFUSED "cannot remove in $root: $(head -n 1 "$scratch/rm")"

# `current` is the only switch: one rename takes root and live at once. A running server of another distribution
# sees its live link, so that is nailed to its generation first. One that comes back follows `current` only after the
# switch: its own servers, which may still run, must not see the modules of another distribution even for a moment.
live=$home/live/$distribution
before=$(readlink "$home/current/distribution" 2>/dev/null)
if [ -n "$before" ] && [ "$before" != "$distribution" ]; then
  link_to "../generations/$expected/live" "$home/live/$before"
fi
[ -L "$live" ] || link_to ../current/live "$live"
link_to current/root "$home/root"
settle .
link_to "generations/$next" "$home/current"
link_to ../current/live "$live"
settle .

touch "$home/current/switched"
collect_garbage 2
sort -u "$scratch/whole" | record_trees
# A unit that the user linked to ours has changed with the switch; telling systemd restarts nothing.
if [ -L "/etc/systemd/system/pgoci-$instance.service" ] && command -v systemctl >/dev/null 2>&1; then
  systemctl daemon-reload >/dev/null 2>&1
fi
tell_freed
printf 'OK\t%s\n' "$transaction"
