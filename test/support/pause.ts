import { execFileSync } from 'node:child_process'
import { chmodSync, constants, mkdtempSync, openSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { basename, join } from 'node:path'

/** A statement for a script of a host at which it stops, the first time, until it is told to go on. */
export class Pause {
  readonly statement: string
  private readonly folder: string
  private readonly here: number
  private readonly onwards: number
  private isOpen = true

  /** @param host how the host calls the folder in which this one makes its own */
  constructor(folder: string, host = folder) {
    this.folder = mkdtempSync(join(folder, 'pause-'))
    chmodSync(this.folder, 0o777)
    execFileSync('mkfifo', ['-m', '666', join(this.folder, 'here'), join(this.folder, 'onwards')])
    // Open on both ends, so that neither side waits for the other to come.
    this.here = openSync(join(this.folder, 'here'), constants.O_RDWR | constants.O_NONBLOCK)
    this.onwards = openSync(join(this.folder, 'onwards'), 'r+')
    const at = join(host, basename(this.folder))
    this.statement = `[ -e ${at}/passed ] || { : >${at}/passed; echo >${at}/here; IFS= read -r onwards <${at}/onwards; }`
  }

  /** Whether the script came there, or {@link end} was first. */
  reached(): Promise<boolean> {
    // No fs.read: each would hold a thread of Node's few while it waits, and who shall come there may need one.
    const socket = new Socket({ fd: this.here, readable: true, writable: false })
    return new Promise((resolve, reject) => {
      socket.once('error', reject).once('data', (word) => {
        this.isOpen = false
        socket.destroy()
        resolve(String(word).startsWith('\n'))
      })
    })
  }

  goOn(): void {
    writeSync(this.onwards, '\n')
  }

  /** Says for somebody else that the point is reached. */
  come(): void {
    if (this.isOpen) writeSync(this.here, '\n')
  }

  /** The script has ended: who waits for it is told that it never came. */
  end(): void {
    if (this.isOpen) writeSync(this.here, 'x')
  }
}
