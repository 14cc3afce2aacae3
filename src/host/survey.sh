# survey NONCE ROOT INSTANCE PG_CONFIG: which Postgres packages have put here, or the one of PG_CONFIG if that is no
# empty word, and which clusters there are. Nothing is changed.
begin "$1" "$2" "$3"
check_tools
make_scratch
say machine "$(uname -m)"
if [ -n "$4" ]; then
  [ -x "$4" ] || fail NO_SERVER "there is no program $4; check the path, and that its package is installed"
  bin=$("$4" --bindir 2>/dev/null) || fail NO_SERVER "$4 is no pg_config: it does not tell its --bindir"
  [ -x "$bin/postgres" ] ||
    fail NO_SERVER "the pg_config $4 is of $bin, where no server is; install its server package, or name another pg_config"
  set -- "$4"
else
  # Debian's and PGDG's packages; the last one is Fedora's.
  set -- /usr/lib/postgresql/*/bin/pg_config /usr/pgsql-*/bin/pg_config /usr/bin/pg_config
fi
bins=
for program in "$@"; do
  [ -x "$program" ] || continue
  bin=$("$program" --bindir 2>/dev/null) || continue
  lib=$("$program" --pkglibdir) share=$("$program" --sharedir)
  # Without a server it is of a package for developers.
  if among "$bin" "$bins" || [ ! -x "$bin/postgres" ]; then continue; fi
  bins=$bins$newline$bin
  "$bin/postgres" --describe-config 2>/dev/null | cut -f 1 >"$scratch/settings" || scratch_failed
  knows=$(grep -x -e extension_destdir -e extension_control_path "$scratch/settings" | tr '\n' ' ')
  say server "$bin$tab$lib$tab$share$tab$("$bin/postgres" --version)$tab$knows"
done

# Debian's own list has those that are down, too.
debians=
if command -v pg_lsclusters >/dev/null 2>&1; then
  pg_lsclusters --no-header >"$scratch/clusters" 2>/dev/null
  while read -r version name _ status owner data _; do
    say cluster "$version/$name$tab$status$tab$owner$tab$data$tab/etc/postgresql/$version/$name$tab/usr/lib/postgresql/$version/bin"
    debians=$debians$newline$data
  done <"$scratch/clusters"
fi
# What else runs from there; it is known by its data folder, in which a postmaster works.
for comm in /proc/[0-9]*/comm; do
  { read -r name <"$comm"; } 2>/dev/null || continue
  case $name in postgres* | postmaster*) ;; *) continue ;; esac
  process=${comm%/comm}
  data=$(readlink "$process/cwd") || continue
  bin=$(readlink "$process/exe")
  bin=${bin%/*}
  among "$bin" "$bins" || continue
  # A container's may have the same path in another root. Its file is no sign: an upgrade replaces it under a process.
  [ "$(stat -L -c %d:%i "$process/root")" = "$(stat -L -c %d:%i /)" ] || continue
  if among "$data" "$debians"; then continue; fi
  debians=$debians$newline$data
  say cluster "$data${tab}online$tab$(stat -c %U "$process")$tab$data$tab$data$tab$bin"
done
check_scratch
echo OK
