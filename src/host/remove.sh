# remove NONCE ROOT INSTANCE EXPECTED WAIT HOLDER: takes the instance from the host, and what only it used.
begin "$1" "$2" "$3"
make_scratch
if ! open_store; then
  echo OK
  exit 0
fi
take_lock "$5" "$6"
found=$(current_generation)
[ "$found" = "$4" ] || fail STORE_CHANGED "generation $found is current, not $4"
used=$(trees_in_use) || fail UNSEEN "$(id -un)"
for name in $(trees_of_links "$home"/generations/*/root "$home"/generations/*/live); do
  if among "$name" "$used"; then fail IN_USE "$root/trees/$name"; fi
done
whole_trees >"$scratch/whole" || scratch_failed
mkdir -p staging
# One rename, so that a half removed instance is none.
if [ -d "$home" ]; then
  for generation in "$home"/generations/*; do
    [ ! -d "$generation" ] || freed_generations=$((freed_generations + 1))
  done
  mv -T "$home" "staging/gone-$instance" || fail HOST_REFUSED "cannot rename in $root"
fi
sweep_leftovers
collect_garbage 2
record_trees <"$scratch/whole"
# What stays of an empty store are FORMAT and the lock, for which others may wait.
find objects -mindepth 1 -type d -exec rmdir {} + 2>/dev/null
rmdir instances 2>/dev/null
if [ ! -d instances ]; then
  rmdir objects trees manifests meta staging 2>/dev/null
  rm -f lock.holder
fi
settle .
tell_freed
echo OK
