# push NONCE ROOT INSTANCE TRANSACTION EXPECTED NEXT DISTRIBUTION cat|gzip|zstd KB INODES WAIT HOLDER
# stdin: a tar of staging/TRANSACTION: objects/, trees/, manifests/, generation/, SUMS, BAD, and COMPLETE last.
begin "$1" "$2" "$3"
transaction=$4 expected=$5 next=$6 distribution=$7
mkdir -p "$root" && cd "$root" || fail HOST_REFUSED "cannot make $root"
take_lock "${11}" "${12}"
mkdir -p objects trees manifests meta instances staging || fail HOST_REFUSED "cannot write to $root"
[ -f FORMAT ] || { echo 1 >FORMAT.new && mv -T FORMAT.new FORMAT; }
make_scratch
found=$(current_generation)
[ "$found" = "$expected" ] || fail STORE_CHANGED "generation $found is current, not $expected"

# Nobody else can be at work while we hold the lock, so whatever lies in staging was left by a crash.
rm -rf staging/*
stage=staging/$transaction
trap 'rm -rf "$scratch" "$stage"' EXIT
free_space >"$scratch/free"
read -r free floor inodes <"$scratch/free"
if [ $((free - $9)) -lt "$floor" ]; then
  fail NO_SPACE "$((($9 + 1023) / 1024)) MB to write, $((free / 1024)) MB free, $((floor / 1024)) MB of it kept for Postgres"
fi
if [ "$inodes" -ge 0 ] && [ "$inodes" -lt "${10}" ]; then
  fail NO_SPACE "${10} files to write, $inodes inodes free"
fi

case $8 in
  zstd) zstd -dcq ;;
  gzip) gzip -dc ;;
  *) cat ;;
esac | tar -xf - 2>"$scratch/tar" || fail HOST_REFUSED "tar: $(head -c 300 "$scratch/tar" | tr '\n' ' ')"
# tar ends with 0 on a stream that was cut between two members; only the last member proves that all came.
[ "$(cat "$stage/COMPLETE" 2>/dev/null)" = "$transaction" ] || fail CUT "the stream ended early"
if [ -s "$stage/SUMS" ]; then
  (cd "$stage/objects" && sha256sum -c ../SUMS) >"$scratch/sums" 2>/dev/null ||
    fail DIGEST_MISMATCH "$(grep -v ': OK$' "$scratch/sums" | head -n 3 | tr '\n' ' ')"
fi
settle "$stage"

whole_trees >"$scratch/whole"
# Objects that were found damaged give way to their replacements; trees that hold the old inode stay as they are.
[ ! -f "$stage/BAD" ] || (cd objects && xargs rm -f) <"$stage/BAD"
[ ! -d "$stage/objects" ] || cp -al "$stage/objects/." objects/ || fail NO_SPACE "cannot add to $root/objects"
for manifest in "$stage"/manifests/*; do mv -T "$manifest" "manifests/${manifest##*/}"; done
for tree in "$stage"/trees/*; do
  [ -d "$tree" ] || continue
  mv -T "$tree" "trees/${tree##*/}" || fail HOST_REFUSED "cannot rename into $root/trees"
  echo "${tree##*/}" >>"$scratch/whole"
done
mkdir -p "$home/generations" "$home/live"
rm -rf "$home/generations/$next"
mv -T "$stage/generation" "$home/generations/$next"

# `current` is the only switch: one rename takes root and live at once. A running server of another distribution
# sees its live link, so that is nailed to its generation first.
before=$(readlink "$home/current/distribution" 2>/dev/null)
if [ -n "$before" ] && [ "$before" != "$distribution" ]; then
  ln -s "../generations/$expected/live" "$home/live/.new" && mv -T "$home/live/.new" "$home/live/$before"
fi
rm -f "$home/live/.new"
ln -s ../current/live "$home/live/.new" && mv -T "$home/live/.new" "$home/live/$distribution"
if [ ! -L "$home/root" ]; then ln -s current/root "$home/root"; fi
settle .
rm -f "$home/.current"
ln -s "generations/$next" "$home/.current" && mv -T "$home/.current" "$home/current" ||
  fail HOST_REFUSED "cannot switch $root/$home/current"
settle .

rm -rf "$stage"
collect_garbage
sort -u "$scratch/whole" | record_trees
# A unit that the user linked to ours has changed with the switch; telling systemd restarts nothing.
if [ -L "/etc/systemd/system/pgoci-$instance.service" ] && command -v systemctl >/dev/null 2>&1; then
  systemctl daemon-reload >/dev/null 2>&1
fi
printf 'OK\t%s\n' "$transaction"
