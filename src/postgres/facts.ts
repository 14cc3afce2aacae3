import type { Digest } from '../model/digest.ts'
import type { ControlFile } from './control.ts'
import type { Elf } from './elf.ts'
import type { LibcKind } from './libc.ts'
import type { ModuleMagic } from './magic.ts'
import type { Scripts } from './scripts.ts'

/** A program, module or shared library, and what its loader looks for. */
export interface BinaryFacts extends Omit<Elf, 'requires' | 'isLittle' | 'interpreter' | 'soname'> {
  /** Where it goes on a host: `live/lib/vector.so`, `live/system/libgeos.so.3`, `root/usr/lib/…`. */
  readonly path: string
  readonly digest: Digest
  readonly interpreter?: string | undefined
  readonly soname?: string | undefined
  readonly requires: Readonly<Record<string, readonly string[]>>
  /** Only modules have one. */
  readonly magic?: ModuleMagic | undefined
  /** Of modules: libraries that they are not linked with, and may open by name. */
  readonly opens?: readonly string[] | undefined
}

/** What `CREATE EXTENSION` needs and can do, of one extension. */
export interface ExtensionFacts {
  readonly control: ControlFile
  /** What Postgres will say against the control file, which then counts as empty. */
  readonly problem?: string | undefined
  /** Secondary control files, by version. */
  readonly secondary: Readonly<Record<string, ControlFile>>
  readonly scripts: Scripts
}

/**
 * What the bytes of an image say: all that a proof needs, and small enough to be kept. Which other files there are, its
 * tree tells.
 */
export interface ImageFacts {
  /**
   * Of an extension image all ELF files; of a distribution its server's programs and modules, and what lies in its
   * loader's folders.
   */
  readonly binaries: readonly BinaryFacts[]
  /** Other names of binaries: path → path of one of them. */
  readonly links: Readonly<Record<string, string>>
  /** Programs, libraries and package databases that cannot be read: path → why. */
  readonly unread: Readonly<Record<string, string>>
  /** By name. */
  readonly extensions: Readonly<Record<string, ExtensionFacts>>
  /** Files in share folders that a server or a script may open by path: dictionaries, data beside scripts. */
  readonly data?: readonly string[] | undefined
  /** What package managers say is installed: name → version. */
  readonly packages: Readonly<Record<string, string>>
  /** Of a distribution. */
  readonly server?: ServerFacts | undefined
}

export interface ServerFacts {
  readonly mode: 'rootfs' | 'relocatable' | 'installed'
  /** With minor: `17.6`. */
  readonly version: string
  readonly major: number
  /** `--prefix=/usr`, …; empty where the server does not tell. */
  readonly configure: readonly string[]
  /** Of the libc that it brings, or that its host has; `relocatable` has none. */
  readonly libc?: { readonly kind: LibcKind; readonly version: string } | undefined
  /** Versions of ICU's libraries, as in `72.1`; more than one where several are installed. */
  readonly icu: readonly string[]
  readonly locales: readonly string[]
  /** Digests of its image's layers, unpacked, from the lowest on: what is built on it begins with them. */
  readonly layers?: readonly string[] | undefined
}
