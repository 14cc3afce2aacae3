# remove NONCE ROOT INSTANCE EXPECTED WAIT HOLDER: takes the instance from the host, and what only it used.
begin "$1" "$2" "$3"
if [ ! -f "$root/FORMAT" ]; then
  echo OK
  exit 0
fi
cd "$root" || fail HOST_REFUSED "cannot enter $root"
take_lock "$5" "$6"
make_scratch
found=$(current_generation)
[ "$found" = "$4" ] || fail STORE_CHANGED "generation $found is current, not $4"
trees_in_use >"$scratch/used"
for link in "$home"/generations/*/root "$home"/generations/*/live; do
  [ -L "$link" ] || continue
  target=$(readlink "$link")
  if grep -q -x -F "${target##*/}" "$scratch/used"; then fail IN_USE "$root/trees/${target##*/}"; fi
done
whole_trees >"$scratch/whole"
rm -rf staging/*
[ ! -d "$home" ] || mv -T "$home" "staging/gone-$instance"
rm -rf staging/gone-*
collect_garbage
record_trees <"$scratch/whole"
find objects -mindepth 1 -type d -exec rmdir {} + 2>/dev/null
settle .
echo OK
