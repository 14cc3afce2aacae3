export interface UnitOptions {
  readonly instance: string
  /** Absolute paths on the host. */
  readonly store: string
  readonly treeDirectory: string
  readonly libraryPath: string
  /** Inside the tree. */
  readonly binDirectory: string
  readonly major: number
}

/** Empty folders and files that a distribution's tree must have, so that the unit's binds find something to cover. */
export function mountPoints(options: { readonly store: string }): { directories: string[]; files: string[] } {
  return {
    directories: [
      'dev',
      'proc',
      'sys',
      'tmp',
      'mnt',
      'srv',
      'run',
      'run/postgresql',
      'var',
      'var/lib',
      'var/lib/postgresql',
      'var/tmp',
      'etc',
      options.store.slice(1),
    ],
    files: ['etc/hosts', 'etc/passwd', 'etc/group', 'etc/resolv.conf'],
  }
}

/** Where an instance keeps its data, on the host and in its root alike. */
function dataDirectory(instance: string): string {
  return `/var/lib/postgresql/${instance}`
}

/**
 * How any program of a `rootfs` distribution runs: in the image's userland, as the host's user `postgres`, with the
 * data and the socket folder of the host (systemd.exec(5)). RootDirectory= refuses links, so it names the tree.
 */
function sandbox(options: UnitOptions): readonly string[] {
  const { store, instance } = options
  return [
    'User=postgres',
    `RootDirectory=${options.treeDirectory}`,
    'MountAPIVFS=yes',
    // Users are the host's: the image's uid 999 may be anybody here.
    `BindReadOnlyPaths=${store}:${store}:norbind /etc/passwd /etc/group -/etc/hosts -/etc/resolv.conf`,
    'BindPaths=/var/lib/postgresql',
    `StateDirectory=postgresql/${instance}`,
    'StateDirectoryMode=0700',
    'RuntimeDirectory=postgresql',
    'RuntimeDirectoryPreserve=yes',
    // Where nothing is installed, so that a drop-in's BindPaths= finds a place without a folder made in the tree.
    'TemporaryFileSystem=/tmp:mode=1777 /var/tmp:mode=1777 /mnt /srv',
    `Environment=PGDATA=${dataDirectory(instance)}`,
    `Environment=PATH=/${options.binDirectory}:/usr/local/bin:/usr/bin:/bin`,
    // The host's LANG may be a locale that the image lacks; this one is in every glibc and musl.
    'Environment=LANG=C.UTF-8',
    `Environment=LD_LIBRARY_PATH=${options.libraryPath}`,
  ]
}

/**
 * The service of a `rootfs` distribution. Every generation brings its own, because it names that generation's tree.
 * It is started by pg_ctl, which waits until the server answers, whatever the server was built with. It never
 * makes a cluster: on a host whose data disk is not mounted that would be an empty one.
 */
export function systemdUnit(options: UnitOptions): string {
  const data = dataDirectory(options.instance)
  const pgCtl = `/${options.binDirectory}/pg_ctl`
  return `[Unit]
Description=PostgreSQL ${options.major} (${options.instance}, pulumi-postgres-oci)
After=network.target
RequiresMountsFor=${options.store} ${data}
AssertPathExists=${data}/PG_VERSION

[Service]
Type=forking
PIDFile=${data}/postmaster.pid
${sandbox(options).join('\n')}
ExecStart=${pgCtl} start --wait --timeout=86400 --silent
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
KillSignal=SIGINT
TimeoutStartSec=infinity
TimeoutStopSec=120
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
`
}

/**
 * A script that runs one program of the distribution as the service would: `sh run initdb`, `sh run psql`. It needs
 * root, or polkit's leave. systemd replaces `$NAME` and `$$` in what it runs, so every dollar is doubled.
 */
export function runScript(options: UnitOptions): string {
  const properties = sandbox(options).map((property) => `  --property='${property}' \\\n`)
  return `# sh run PROGRAM WORDS…: runs a program of PostgreSQL ${options.major} (${options.instance}) in its own root, as postgres.
for word in "$@"; do
  shift
  word=$(printf '%s.' "$word" | sed 's/[$]/$$/g')
  set -- "$@" "\${word%.}"
done
if [ -t 0 ] && [ -t 1 ]; then how=--pty; else how=--pipe; fi
exec systemd-run --quiet --collect --wait "$how" \\
${properties.join('')}  -- /usr/bin/env "$@"
`
}
