import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, fsyncSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'
import { shutDownExt4 } from '../support/power.ts'

/** A file system of its own, to be filled, broken or cut off. */
interface Disk {
  readonly folder: string
  remove(): void
}

/** One in memory, which is small. */
export class SmallDisk implements Disk {
  readonly folder: string

  constructor(folder: string, options: string) {
    this.folder = folder
    execFileSync('mount', ['-t', 'tmpfs', '-o', `mode=1777,${options}`, 'none', folder])
  }

  /** Leaves no byte free. */
  fill(): void {
    const file = openSync(join(this.folder, 'filler'), 'w')
    untilFull(() => writeSync(file, Buffer.alloc(4096)))
    closeSync(file)
  }

  /** Leaves no inode free. */
  crowd(): void {
    let count = 0
    execFileSync('mkdir', [join(this.folder, 'filler')])
    untilFull(() => {
      count += 1
      writeFileSync(join(this.folder, 'filler', String(count)), '')
    })
  }

  /** @param option of `mount`, from now on */
  remount(option: 'exec' | 'noexec'): void {
    execFileSync('mount', ['-o', `remount,${option}`, this.folder])
  }

  clear(): void {
    rmSync(join(this.folder, 'filler'), { recursive: true, force: true })
  }

  remove(): void {
    spawnSync('umount', ['--lazy', this.folder])
  }
}

function untilFull(write: () => void): void {
  try {
    for (;;) write()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}

/** A real one on a loop device: ext4, which keeps what was synced and no more. */
export class LoopDisk implements Disk {
  readonly folder: string
  private image: string

  constructor(folder: string, image: string) {
    this.folder = folder
    this.image = image
    writeFileSync(image, '')
    truncateSync(image, 64 * 1024 * 1024)
    execFileSync('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0', image])
    this.mount()
  }

  /** The kernel finds an error and makes it read-only, under everything that is open. */
  failReadOnly(): void {
    const device = execFileSync('losetup', ['--associated', this.image, '--output', 'NAME', '--noheadings'])
    writeFileSync(`/sys/fs/ext4/${basename(device.toString().trim())}/trigger_fs_error`, '1')
  }

  /**
   * Stops where it is. A file of somebody else is synced before, as a database does all the time: that commits the
   * journal, so every name is on the disk then, and only what was synced has its content.
   */
  cutPower(): void {
    const file = openSync(join(this.folder, 'somebody'), 'w')
    writeSync(file, 'else')
    fsyncSync(file)
    closeSync(file)
    shutDownExt4(this.folder)
  }

  /**
   * After {@link failReadOnly} or {@link cutPower}, when nobody has a file open. A copy is mounted, because whoever made a
   * mount namespace meanwhile keeps the dead file system there, and the same image would lead to it again.
   */
  recover(): void {
    execFileSync('umount', [this.folder])
    const copy = `${this.image}.copy`
    execFileSync('cp', ['--sparse=always', this.image, copy])
    rmSync(this.image)
    this.image = copy
    this.mount()
  }

  remove(): void {
    spawnSync('umount', ['--lazy', this.folder])
  }

  private mount(): void {
    execFileSync('mount', ['-o', 'loop,errors=remount-ro', this.image, this.folder])
  }
}
