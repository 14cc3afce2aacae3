# probe NONCE ROOT INSTANCE none|quick|full
# stdin: lines "known <manifest hex>" (do not send it) and "want <object>" (say if it is missing).
begin "$1" "$2" "$3"
say machine "$(uname -m)"
say user "$(id -un):$(id -u)"
lacks=$(lacking | tr '\n' ' ')
[ -z "$lacks" ] || fail HOST_LACKS_TOOL "$lacks"
say zstd "$(command -v zstd >/dev/null 2>&1 && echo yes || echo no)"
say gzip "$(command -v gzip >/dev/null 2>&1 && echo yes || echo no)"
make_scratch
cat >"$scratch/asked"
parent=$root
while [ ! -d "$parent" ]; do parent=$(dirname "$parent"); done
cd "$parent" || fail HOST_REFUSED "cannot enter $parent"
[ -w . ] || fail HOST_REFUSED "$(id -un) may not write to $parent"
say free "$(free_space)"
if [ ! -f "$root/FORMAT" ]; then
  if [ -d "$root" ] && [ -n "$(ls -A "$root")" ]; then fail HOST_REFUSED "$root is not empty and is no store"; fi
  say generation 0
  sed -n "s/^want /missing$tab/p" "$scratch/asked"
  echo OK
  exit 0
fi
cd "$root" || fail HOST_REFUSED "cannot enter $root"
[ "$(cat FORMAT)" = 1 ] || fail HOST_REFUSED "$root has format $(head -c 20 FORMAT), which this version does not know"
generation=$(current_generation)
say generation "$generation"
# shellcheck disable=SC2012
say last "$(ls "$home/generations" 2>/dev/null | sort -n | tail -n 1)"
if [ "$generation" != 0 ] && [ -d "$home/current" ]; then
  say record "$(cat "$home/current/record.json")"
  while IFS= read -r manifest; do
    grep -q -x -F "known $manifest" "$scratch/asked" && continue
    say manifest "$manifest"
    sed 's/^/m	/' "manifests/$manifest"
  done <"$home/current/members"
  for link in "$home"/live/*; do
    [ ! -L "$link" ] || say live "${link##*/}$tab$(readlink "$link")"
  done
  say root "$(readlink "$home/root")"
fi
for each in "$home"/generations/*/root "$home"/generations/*/live; do
  [ -L "$each" ] || continue
  target=$(readlink "$each")
  number=${each%/*}
  say tree "${number##*/}$tab${each##*/}$tab${target##*/}"
done
if [ "$4" != none ]; then
  for each in "$home"/generations/*/root "$home"/generations/*/live; do
    [ ! -L "$each" ] || { target=$(readlink "$each"); echo "${target##*/}"; }
  done | sort -u >"$scratch/each"
  while IFS= read -r name; do
    depth=quick
    case $(readlink "$home/current/root") in */"$name") depth=$4 ;; esac
    case $(readlink "$home/current/live") in */"$name") depth=$4 ;; esac
    check_tree "$name" "$depth" | sed "s/^/check$tab$name$tab/"
  done <"$scratch/each"
fi
sed -n 's/^want //p' "$scratch/asked" | while IFS= read -r object; do
  [ -e "objects/$object" ] || say missing "$object"
done
echo OK
