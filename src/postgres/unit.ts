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

/**
 * A unit that runs a `rootfs` distribution as its own root. RootDirectory= refuses links, so it names the tree, and
 * every generation brings its own unit.
 */
export function systemdUnit(options: UnitOptions): string {
  const data = `/var/lib/postgresql/${options.instance}`
  return `[Unit]
Description=PostgreSQL ${options.major} (${options.instance}, pulumi-postgres-oci)
After=network.target

[Service]
Type=exec
User=postgres
RootDirectory=${options.treeDirectory}
MountAPIVFS=yes
BindReadOnlyPaths=${options.store} /etc/passwd /etc/group -/etc/hosts -/etc/resolv.conf
BindPaths=/var/lib/postgresql
RuntimeDirectory=postgresql
RuntimeDirectoryPreserve=yes
BindPaths=/run/postgresql
TemporaryFileSystem=/tmp /var/tmp
Environment=LD_LIBRARY_PATH=${options.libraryPath}
ExecStart=/${options.binDirectory}/postgres -D ${data}
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
KillSignal=SIGINT
TimeoutStopSec=120
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
`
}
