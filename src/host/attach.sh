# attach NONCE ROOT INSTANCE look|set|reset BIN OWNER DATA CONFIG [NAME VALUE]…: the settings by which a cluster finds
# what is in the store. Everything in the cluster is done as its owner, who logs in by peer; files of packages are not
# touched. VALUEs have neither quotes nor backslashes.
begin "$1" "$2" "$3"
check_tools
make_scratch
action=$4 bin=$5 owner=$6 data=$7 config=$8
shift 8
dropin=$config/conf.d/pgoci-$instance.conf
auto=$data/postgresql.auto.conf
name=

as_owner() {
  if [ "$(id -un)" = "$owner" ]; then "$@"; else "$runuser" -u "$owner" -- "$@"; fi
}
for runuser in runuser /sbin/runuser /usr/sbin/runuser ''; do
  ! command -v "$runuser" >/dev/null 2>&1 || break
done
[ "$(id -un)" = "$owner" ] || [ "$(id -u)" = 0 ] ||
  fail HOST_REFUSED "$(id -un) may not act as $owner, whose cluster $data is; connect as root, with sudo, or as $owner"
[ "$(id -un)" = "$owner" ] || [ -n "$runuser" ] || fail_without runuser

# A session of its own each time: one that is open keeps what it has until it hears of the reload.
sql() {
  as_owner env -i PATH=/usr/bin:/bin LC_ALL=C "$bin/psql" -X -A -t -q -w -v ON_ERROR_STOP=1 -h "$socket" -p "$port" \
    -d postgres -c "$1" 2>"$scratch/psql"
}

# Sets port and socket; fails for a cluster that is down.
find_server() {
  as_owner cat "$data/postmaster.pid" >"$scratch/pid" 2>/dev/null || return 1
  kill -0 "$(sed -n 1p "$scratch/pid")" 2>/dev/null || return 1
  port=$(sed -n 4p "$scratch/pid") socket=$(sed -n 5p "$scratch/pid")
}

check_superuser() {
  found=$(sql 'SELECT rolsuper FROM pg_roles WHERE rolname = current_user')
  case $found in
    t) ;;
    f) fail HOST_REFUSED "$owner is no superuser of its cluster $data; give the role that one, as another superuser: ALTER ROLE $owner SUPERUSER" ;;
    *) fail HOST_REFUSED "$owner cannot log in to its cluster $data over the socket in ${socket:-nowhere} ($(sed 's/.*FATAL: *//' "$scratch/psql" | head -n 1)); give it a line \"local all $owner peer\" at the top of pg_hba.conf, and a superuser of its name" ;;
  esac
}

now() { sql "SELECT setting FROM pg_settings WHERE name = '$1'"; }

has_dropins() {
  [ -d "$config/conf.d" ] && as_owner grep -q "^[[:space:]]*include_dir[[:space:]=]*'conf\.d'" "$config/postgresql.conf"
}

is_all_set() { # is_all_set NAME VALUE…
  while [ $# -gt 0 ]; do
    [ "$(now "$1")" = "$2" ] || return 1
    shift 2
  done
}

undo() { # undo NAME VALUE…: of what we have set; others' values stay
  as_owner rm -f "$dropin"
  while [ $# -gt 0 ]; do
    ! as_owner grep -q -F "$1 = '$2'" "$auto" || sql "ALTER SYSTEM RESET $1" ||
      fail HOST_REFUSED "cannot reset $1 of $data: $(head -n 1 "$scratch/psql")"
    shift 2
  done
}

case $action in
  look)
    if find_server; then
      check_superuser
      while [ $# -gt 0 ]; do
        say setting "$1$tab$(now "$1")"
        shift 2
      done
    else
      say down yes
    fi
    ;;
  set)
    find_server || fail HOST_REFUSED "the cluster $data is down; start it, then run it again"
    check_superuser
    if has_dropins; then
      {
        echo "# By pulumi-postgres-oci, which removes it with the instance $instance."
        for each in "$@"; do
          if [ -z "$name" ]; then name=$each; else echo "$name = '$each'" && name=; fi
        done
      } >"$scratch/dropin" || scratch_failed
      # shellcheck disable=SC2016
      as_owner sh -c 'umask 022 && cat >"$1.new" && mv -f "$1.new" "$1"' sh "$dropin" <"$scratch/dropin" ||
        fail HOST_REFUSED "$owner cannot write $dropin"
      where=$dropin
    else
      for each in "$@"; do
        if [ -z "$name" ]; then name=$each; continue; fi
        sql "ALTER SYSTEM SET $name = '$each'" || fail HOST_REFUSED "cannot set $name of $data: $(head -n 1 "$scratch/psql")"
        name=
      done
      where=$auto
    fi
    sql 'SELECT pg_reload_conf()' >/dev/null
    tries=0
    until is_all_set "$@"; do
      tries=$((tries + 1))
      if [ $tries -gt 50 ]; then
        undo "$@"
        sql 'SELECT pg_reload_conf()' >/dev/null
        fail HOST_REFUSED "$data does not take $1 from $where: a later line, ALTER SYSTEM or the server's command line says otherwise, or its configuration has errors; SELECT * FROM pg_file_settings tells which"
      fi
      sql 'SELECT pg_sleep(0.1)' >/dev/null
    done
    ;;
  reset)
    if [ ! -d "$data" ]; then
      :
    elif find_server; then
      undo "$@"
      sql 'SELECT pg_reload_conf()' >/dev/null
    elif as_owner grep -q -F "$1 = '$2'" "$auto" 2>/dev/null; then
      fail HOST_REFUSED "the cluster $data is down, and $1 is set in $auto; start it, then run it again"
    else
      as_owner rm -f "$dropin"
    fi
    ;;
esac
echo OK
