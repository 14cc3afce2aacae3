# inventory NONCE ROOT INSTANCE BIN LIB SHARE: the files of a Postgres that decide what it can load, and the
# libraries that the loader knows. Or, for lines "HEAD TAIL PATH" of stdin, what is in those files, one after the other:
# so many bytes of both ends, or all for 0.
begin "$1" "$2" "$3"
check_tools
make_scratch
cat >"$scratch/asked" || scratch_failed
if [ -s "$scratch/asked" ]; then
  for tool in base64 gzip; do command -v "$tool" >/dev/null 2>&1 || fail_without "$tool"; done
  while read -r head tail path; do
    [ -f "$path" ] || fail STORE_CHANGED "$path is gone"
  done <"$scratch/asked"
  # One stream of all, because a host may have many hundred of them.
  printf 'content\t'
  while read -r head tail path; do
    if [ "$head" != 0 ]; then head -c "$head" "$path" && tail -c "$tail" "$path"; else cat "$path"; fi
  done <"$scratch/asked" | gzip -c -1 | base64 | tr -d '\n'
  echo
  echo OK
  exit 0
fi
# A login that is not root's may not have its folder in PATH.
for ldconfig in ldconfig /sbin/ldconfig /usr/sbin/ldconfig ''; do
  ! command -v "$ldconfig" >/dev/null 2>&1 || break
done
[ -n "$ldconfig" ] || fail HOST_REFUSED 'there is no ldconfig, so nobody tells which libraries it has'
{
  printf '%s\n' "$4/postgres" /etc/os-release
  find -L "$5" -maxdepth 1 -type f -name '*.so'
  find -L "$6/extension" -maxdepth 1 -type f \( -name '*.control' -o -name '*.sql' \)
} 2>/dev/null | grep -v '[[:cntrl:]]' >"$scratch/own"
# shellcheck disable=SC2016
"$ldconfig" -p | sed -n 's|.* => /|/|p' | grep -v '[[:cntrl:]]' | sort -u | tr '\n' '\0' |
  xargs -0 sh -c 'for each; do [ ! -f "$each" ] || printf "%s\n" "$each"; done' sh >"$scratch/names"
tr '\n' '\0' <"$scratch/names" | xargs -0 readlink -f >"$scratch/ends"
[ "$(grep -c . "$scratch/names")" = "$(grep -c . "$scratch/ends")" ] || fail STORE_CHANGED 'libraries went away meanwhile'
paste "$scratch/names" "$scratch/ends" | awk -F '\t' -v OFS='\t' '$1 != $2 { print "link", $1, $2 }'
sort -u "$scratch/own" "$scratch/ends" >"$scratch/files" || scratch_failed
tr '\n' '\0' <"$scratch/files" | xargs -0 stat -L -c "%s$tab%n" >"$scratch/sizes"
tr '\n' '\0' <"$scratch/files" | sum_files >"$scratch/sums" 2>/dev/null
awk -v OFS='\t' 'NR == FNR { at = index($0, "\t"); size[substr($0, at + 1)] = substr($0, 1, at - 1); next }
  { path = substr($0, 67) } path in size { print "file", substr($0, 1, 64), size[path], path }' \
  "$scratch/sizes" "$scratch/sums"
check_scratch
echo OK
