#!/bin/sh
# postgres-says.sh WORK ROOT BIN: runs the Postgres of a root, puts each line of stdin to it, in a session of its own, and
# prints what it says, with `-- done` after each. WORK/data is its cluster, made at first. Needs root.
#   LAYERS         layers above ROOT, by overlayfs, the uppermost first
#   STORE          a folder that is to be seen in the root at its own path
#   LIBRARY_PATH   of the server
#   PRELOAD        shared_preload_libraries
#   SETTINGS       more words for the server, as a shell has them
set -eu
work=$1 from=$2 bin=$3
root=$work/merged
rm -rf "$work/upper" "$work/work"
mkdir -p "$root" "$work/upper" "$work/work" "$work/data"
chown 65534:65534 "$work/data"
echo 'postgres:x:65534:65534::/var/lib/postgresql:/bin/sh' >"$work/passwd"

# Our own trees are for reading; what apt writes is written above the rest.
if [ -n "${LAYERS-}" ]; then
  mount -t overlay overlay -o "lowerdir=$LAYERS:$from,upperdir=$work/upper,workdir=$work/work" "$root"
else
  mount --bind -o ro "$from" "$root"
fi
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"
for path in run tmp var/lib/postgresql; do mount -t tmpfs -o mode=1777 tmpfs "$root/$path"; done
# The store may lie in /tmp.
if [ -n "${STORE-}" ]; then
  mkdir -p "$root$STORE"
  mount --bind "$STORE" "$root$STORE"
fi
mkdir "$root/var/lib/postgresql/data"
mount --bind "$work/data" "$root/var/lib/postgresql/data"
mount --bind "$work/passwd" "$root/etc/passwd"

run() {
  chroot --userspec=65534:65534 "$root" /usr/bin/env -i PATH="/$bin:/usr/bin:/bin" LANG=C.UTF-8 HOME=/tmp \
    PGDATA=/var/lib/postgresql/data PGHOST=/tmp LD_LIBRARY_PATH="${LIBRARY_PATH-}" "$@"
}

if [ ! -e "$work/data/PG_VERSION" ]; then run initdb --no-sync --auth=trust >/dev/null; fi
if ! run pg_ctl start --wait --silent --log=/tmp/log -o "-c fsync=off -c listen_addresses= -c unix_socket_directories=/tmp \
  -c shared_preload_libraries=${PRELOAD-} -c wal_level=logical -c statement_timeout=120s ${SETTINGS-}" </dev/null; then
  sed -n 's/.*FATAL: */FATAL: /p' "$root/tmp/log" | head -n 1
  echo '-- ended'
  exit 0
fi
while IFS= read -r statement; do
  code=0
  printf '%s\n' "$statement" | run psql -XAtq -d postgres -v VERBOSITY=terse -v ON_ERROR_STOP=1 2>&1 || code=$?
  # A module that crashes its session takes the server through recovery.
  if [ "$code" = 2 ]; then until run pg_isready --quiet </dev/null; do sleep 0.1; done; fi
  printf '\n-- done\n'
done
run pg_ctl stop --silent --mode=fast </dev/null
