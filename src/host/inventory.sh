# inventory NONCE ROOT INSTANCE BIN LIB SHARE: the files of a Postgres that decide what it can load, and the libraries
# that the loader knows: how each looks, and its hash. Lines of stdin are of files that looked so before: they come
# without a hash, and only those that no file meets any more are told. Or, without BIN, for lines "HEAD TAIL PATH" of
# stdin, what is in those files, one after the other: so many bytes of both ends, or all for 0.
begin "$1" "$2" "$3"
check_tools
make_scratch
cat >"$scratch/asked" || scratch_failed
if [ -z "$4" ]; then
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
awk -v OFS='\t' 'NR == FNR { end[FNR] = $0; next } end[FNR] != $0 { print "link", $0, end[FNR] }' \
  "$scratch/ends" "$scratch/names"
sort -u "$scratch/own" "$scratch/ends" >"$scratch/files" || scratch_failed
# Before they are looked at, and they before they are read: what changes meanwhile looks otherwise the next time.
say now "$(date +%s)"
tr '\n' '\0' <"$scratch/files" | xargs -0 stat -L -c "%Z$tab%z$tab%Y$tab%i$tab%s$tab%n" | sort >"$scratch/looks"
sort "$scratch/asked" >"$scratch/known" || scratch_failed
comm -23 "$scratch/known" "$scratch/looks" | sed "s/^/gone$tab/"
comm -13 "$scratch/known" "$scratch/looks" >"$scratch/new" || scratch_failed
if [ -s "$scratch/new" ]; then
  cut -f 6 "$scratch/new" | tr '\n' '\0' | sum_files >"$scratch/sums" 2>/dev/null
  awk -F '\t' -v OFS='\t' 'NR == FNR { look[$6] = $0; next }
    { path = substr($0, 67) } path in look { print "file", substr($0, 1, 64), look[path] }' "$scratch/new" "$scratch/sums"
fi
check_scratch
echo OK
