import { join } from 'node:path'
import { connect } from '../../src/host/connect.ts'
import { localTransport } from '../../src/host/local.ts'
import type { Transport } from '../../src/host/transport.ts'
import { DebianHost } from '../support/debian-host.ts'
import { temporaryFolder } from '../support/folder.ts'
import { asNobody, hostShell } from '../support/hosts.ts'
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts'
import type { Column } from './columns.ts'
import { LoopDisk, SmallDisk } from './disks.ts'
import { makeFolders, marked, type Place } from './world.ts'

/** What a host is like beside its shell. */
export interface Setting {
  /** Of the store: small in memory, or ext4 on a loop device; of temporary files: small in memory. */
  readonly disk?: 'small' | 'ext4' | 'small temporary'
  readonly user?: 'nobody'
  readonly hasZstd?: boolean
  readonly hasOddClock?: boolean
}

/** A host to do something to. What it does not have must not be asked for. */
export class OpenHost {
  readonly place: Place
  /** The way that is attacked, when it is not the way of everybody else. */
  readonly attacked: Transport
  private readonly parts: Parts

  constructor(place: Place, parts: Parts) {
    this.place = place
    this.parts = parts
    this.attacked = parts.attacked ?? place.transport
  }

  get local(): { shell: string[]; env: NodeJS.ProcessEnv } {
    return has(this.parts.local)
  }

  get smallDisk(): SmallDisk {
    return has(this.parts.smallDisk)
  }

  get loopDisk(): LoopDisk {
    return has(this.parts.loopDisk)
  }

  get openSsh(): OpenSsh {
    return has(this.parts.openSsh)
  }

  get debian(): DebianHost {
    return has(this.parts.debian)
  }

  /** Whether the disk may be unmounted, so that nobody else may use it. */
  get isUnmounted(): boolean {
    return this.parts.loopDisk !== undefined || this.parts.debian !== undefined
  }

  /** A file with the seconds that the host's `date` tells. */
  get clock(): string {
    return has(this.parts.clock)
  }

  async close(): Promise<void> {
    await this.parts.attacked?.close()
    await this.place.transport.close()
    await this.parts.openSsh?.close()
    this.parts.smallDisk?.remove()
    this.parts.loopDisk?.remove()
    this.parts.debian?.remove()
  }
}

interface Parts {
  readonly attacked?: Transport
  readonly local?: { shell: string[]; env: NodeJS.ProcessEnv }
  readonly smallDisk?: SmallDisk | undefined
  readonly loopDisk?: LoopDisk | undefined
  readonly openSsh?: OpenSsh
  readonly debian?: DebianHost
  readonly clock?: string
}

function has<T>(part: T | undefined): T {
  if (part === undefined) throw new TypeError('The setting of this fault lacks what it needs')
  return part
}

export async function openHost(column: Column, setting: Setting): Promise<OpenHost> {
  if (column.kind === 'debian') return openDebian()
  const folder = temporaryFolder()
  const { parent, temporary, marker } = makeFolders(folder)
  const smallDisk =
    setting.disk === 'small'
      ? new SmallDisk(parent, 'size=8m,nr_inodes=3000')
      : setting.disk === 'small temporary'
        ? new SmallDisk(temporary, 'size=128k')
        : undefined
  const loopDisk = setting.disk === 'ext4' ? new LoopDisk(parent, join(folder, 'image')) : undefined
  const root = join(parent, 'store')
  const paths = { folder, hostFolder: folder, root, hostRoot: root, temporary, marker }
  if (column.kind === 'sshd') {
    const openSsh = await startOpenSsh({ settings: [`SetEnv TMPDIR=${temporary} SHLVL=2`, 'MaxStartups 100'] })
    const login = async (milliseconds: number) =>
      marked(
        await connect({ ...openSsh.connection, perDialTimeout: 120 }, { keepalive: { milliseconds, count: 3 } }),
        marker,
      )
    const [transport, attacked] = [await login(5000), await login(200)]
    return new OpenHost({ ...paths, transport }, { attacked, openSsh, smallDisk, loopDisk })
  }
  const clock = join(folder, 'clock')
  const local = hostShell(column, {
    env: { TMPDIR: temporary },
    with: setting.hasZstd ? ['zstd'] : [],
    ...(setting.hasOddClock
      ? { programs: { date: `IFS= read -r now <${clock}\nexec /bin/date -d "@$now" "$@"` } }
      : {}),
  })
  const own = marked(localTransport(local), marker)
  const transport = setting.user === 'nobody' ? asNobody(own) : own
  return new OpenHost({ ...paths, transport }, { local, smallDisk, loopDisk, clock })
}

async function openDebian(): Promise<OpenHost> {
  const debian = await DebianHost.start()
  const { address, privateKey, hostKey, shared } = debian
  const login = (milliseconds: number) =>
    connect({ host: address, user: 'root', privateKey, hostKey }, { keepalive: { milliseconds, count: 3 } })
  const folder = temporaryFolder()
  const paths = { folder: shared, hostFolder: '/shared', root: join(debian.disk, 'srv/store'), hostRoot: '/srv/store' }
  const [transport, attacked] = [await login(5000), await login(500)]
  // Its programs end with it, and so do their temporary files.
  return new OpenHost({ ...paths, temporary: folder, marker: join(folder, 'marker'), transport }, { attacked, debian })
}
