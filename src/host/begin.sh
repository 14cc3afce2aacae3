# Joined first, before every verb. Floor: POSIX sh, tar, sha256sum, mv -T, flock, and find, sort, comm, awk, stat,
# xargs -0 and mktemp of GNU or busybox. Every verb begins its output with BEGIN and the caller's nonce, because rc
# files may print before us, and ends it with one line: OK …, or FAIL <code> <text>.
set -u
umask 022
LC_ALL=C TZ=UTC0
export LC_ALL TZ
# What a login's environment may change in the tools below; CDPATH makes `cd` go elsewhere, and print.
unset CDPATH TAR_OPTIONS GREP_OPTIONS POSIXLY_CORRECT QUOTING_STYLE TIME_STYLE BLOCK_SIZE BLOCKSIZE
tab=$(printf '\t')
newline='
'

say() { printf '%s\t%s\n' "$1" "$2"; }

fail() { # fail CODE TEXT
  printf 'FAIL\t%s\t%s\n' "$1" "$(printf '%s' "$2" | tr '\n\t' '  ')"
  exit 0
}

begin() { # begin NONCE ROOT INSTANCE
  printf '\nBEGIN %s\n' "$1"
  root=$2
  instance=$3
  home=instances/$instance
}

check_tools() {
  lacks=''
  for tool in awk cat comm cp cut date df dirname du find flock grep head id ln ls mkdir mktemp mv readlink rm rmdir \
    sed sha256sum sleep sort stat sync tail tar touch tr uname xargs; do
    command -v "$tool" >/dev/null 2>&1 || lacks="$lacks $tool"
  done
  [ -z "$lacks" ] || fail_without "$lacks"
}

# With the shell alone, because any tool may be missing. Which system it is tells how to install one.
fail_without() { # fail_without TOOLS
  system=''
  while IFS='=' read -r key value; do
    case $key in ID | ID_LIKE) system="$system $value" ;; esac
  done 2>/dev/null </etc/os-release
  printf 'FAIL\tHOST_LACKS_TOOL\t%s\t%s\n' "$1" "$system"
  exit 0
}

# Its lock is held by this shell and every program that it starts, and the kernel frees it when the last of them has
# ended, however: so it tells what nobody uses any more, where a pid may be another's by now, or of another namespace.
make_scratch() {
  for each in "${TMPDIR:-/tmp}" /tmp /var/tmp; do sweep_scratch "$each"; done
  for each in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
    # Others may sweep it before it is locked, each of them once. Where there are no locks, nobody sweeps.
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
      scratch=$(mktemp -d "$each/pgoci-run.XXXXXX" 2>/dev/null) || break
      { command exec 7<"$scratch" && flock 7; } 2>/dev/null
      [ ! -d "$scratch" ] || break 2
      scratch=
    done
  done
  [ -n "$scratch" ] || fail NO_SPACE "cannot make a folder in ${TMPDIR:-/tmp}, which is full or read-only"
  trap 'rm -rf "$scratch"' EXIT
  trap 'exit 1' HUP INT PIPE TERM
}

# What shells that were killed have left. Only folders that mktemp made for us: where anybody may write, others could
# put links, or what changes while it is removed. Earlier versions named theirs pgoci.XXXXXX and did
# not lock them, so those are left alone.
sweep_scratch() { # sweep_scratch FOLDER
  set -- "$1" "$1"/pgoci-run.??????
  [ -e "$2" ] || return 0
  find "$1/" -maxdepth 1 -name 'pgoci-run.??????' -type d -perm 700 -user "$(id -u)" 2>/dev/null |
    while IFS= read -r each; do (exec 7<"$each" && flock -n 7 && rm -rf "$each") 2>/dev/null; done
}

# A folder in a full or read-only /tmp would make lists come out short, and a short list looks like a clean host.
# Tools differ in whether they notice that they could not write, so the room itself is asked for at the end.
check_scratch() {
  head -c 65536 /dev/zero >"$scratch/room" || scratch_failed
  [ "$(stat -c %s "$scratch/room")" = 65536 ] || scratch_failed
}

scratch_failed() { fail NO_SPACE "cannot write to $scratch, which is full or read-only"; }

open_store() { # enters the store; returns 1 if there is none yet
  if [ ! -f "$root/FORMAT" ]; then
    # What a first push that was killed may leave, and what a disk of its own has.
    # shellcheck disable=SC2010
    if [ -d "$root" ] && ls -A "$root" | grep -q -v -e '^FORMAT\.' -e '^lost+found$'; then
      fail HOST_REFUSED "$root is not empty and is no store; set root to another folder"
    fi
    return 1
  fi
  cd "$root" || fail HOST_REFUSED "$(id -un) may not enter $root"
  [ "$(cat FORMAT)" = 1 ] ||
    fail HOST_REFUSED "$root has the format \"$(head -c 20 FORMAT)\", which only a newer version of this package knows"
}

current_generation() { # prints the number, 0 if there is none
  link=$(readlink "$home/current" 2>/dev/null)
  case $link in
    generations/ | generations/*[!0-9]*) echo 0 ;;
    generations/*) if [ -d "$home/$link" ]; then echo "${link##*/}"; else echo 0; fi ;;
    *) echo 0 ;;
  esac
}

trees_of_links() { # prints the names of the trees that these links lead to
  for link in "$@"; do
    [ -L "$link" ] || continue
    target=$(readlink "$link") || return 1
    echo "${target##*/}"
  done
}

# What `sha256sum` prints, by openssl where that works: it takes a sixth of the time of Debian's, which does without the
# processor's help. Names hold no newlines.
sum_files() { # reads names, each ended by NUL; prints of each a line: hash, two characters, name
  case $(printf '' | openssl dgst -sha256 -r 2>/dev/null) in
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855*) xargs -0 openssl dgst -sha256 -r ;;
    *) xargs -0 sha256sum ;;
  esac
}
