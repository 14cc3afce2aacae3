# What a registry near the host keeps for many hosts: fetched by curl or wget instead of coming over SSH, and proven by
# a sha256 that did come over SSH before anything reads it.

fetch_packs() { # fetch_packs LIST FOLDER: lines URL SHA256 SIZE [AUTHORIZATION] become the files 1, 2, … of FOLDER
  printf '%s\n' "$1" >"$scratch/packs" || scratch_failed
  rm -rf "$2" && mkdir "$2"
  pack=0
  while read -r url sum size authorization; do
    pack=$((pack + 1))
    # As slow as 128 KiB/s is given up for SSH, and so is what the caller would take for a host that hangs.
    seconds=$((30 + size / 131072))
    [ "$seconds" -le 600 ] || seconds=600
    fetch "$url" "$seconds" "$authorization" 2>"$scratch/fetched" </dev/null | head -c $((size + 1)) >"$2/$pack"
    case $(sha256sum <"$2/$pack") in "$sum "*) continue ;; esac
    came=$(stat -c %s "$2/$pack")
    if [ "$came" -gt "$size" ]; then
      fail RELAY_FAILED "it sends more than the $size bytes that were announced"
    elif [ -s "$scratch/fetched" ]; then
      fail RELAY_FAILED "$(head -n 1 "$scratch/fetched")"
    elif [ "$came" -lt "$size" ]; then
      fail RELAY_FAILED "$came of $size bytes came"
    fi
    fail RELAY_FAILED "what it sends has another sha256"
  done <"$scratch/packs"
}

fetch() { # fetch URL SECONDS AUTHORIZATION: to stdout
  if command -v curl >/dev/null 2>&1; then
    timeout "$2" curl -fsSL --connect-timeout 10 --speed-time 20 --speed-limit 16384 ${3:+-H "Authorization: $3"} "$1"
  elif command -v wget >/dev/null 2>&1; then
    # GNU's would try for ever; some of busybox know no such options.
    patience=''
    if wget --version 2>/dev/null | grep -q '^GNU'; then patience='-t 1 -T 20'; fi
    # shellcheck disable=SC2086
    timeout "$2" wget -q $patience -O - ${3:+--header "Authorization: $3"} "$1"
  else
    echo 'neither curl nor wget is there; install one of them' >&2
  fi
}
