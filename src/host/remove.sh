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
used=$(trees_in_use) ||
  fail IN_USE "$root, as far as $(id -un) may see: a server of another user runs on this host"
for name in $(trees_of_links "$home"/generations/*/root "$home"/generations/*/live); do
  if among "$name" "$used"; then fail IN_USE "$root/trees/$name"; fi
done
whole_trees >"$scratch/whole" || scratch_failed
mkdir -p staging
# One rename, so that a half removed instance is none.
[ ! -d "$home" ] || mv -T "$home" "staging/gone-$instance" || fail HOST_REFUSED "cannot rename in $root"
sweep_leftovers
collect_garbage
record_trees <"$scratch/whole"
find objects -mindepth 1 -type d -exec rmdir {} + 2>/dev/null
settle .
echo OK
