import { posix } from 'node:path'
import type { Tree } from '../model/tree.ts'
import type { BinaryFacts } from './facts.ts'

export type LibcKind = 'glibc' | 'musl'

// Where systems keep it, with and without merged /usr and multiarch; musl's loader is its libc.
const places: Readonly<Record<LibcKind, RegExp>> = {
  glibc: /^(?:usr\/)?lib(?:32|64|x32)?\/(?:[a-z0-9_]+-linux-[a-z0-9]+\/)?libc\.so\.6$/,
  musl: /^(?:usr\/)?lib\/ld-musl-[a-z0-9_]+\.so\.1$/,
}

/** The files that may be the libc of an image; a foreign architecture's can be among them. */
export function libcFiles(tree: Tree, kind: LibcKind): string[] {
  return [...tree.keys()].filter((path) => places[kind].test(path))
}

/** The libc that a program or library was built for; nothing for one that needs none. */
export function libcKind({ interpreter, needed }: Pick<BinaryFacts, 'interpreter' | 'needed'>): LibcKind | undefined {
  const names = [...needed, ...(interpreter ? [posix.basename(interpreter)] : [])]
  if (names.some((name) => name.startsWith('ld-musl-') || name.startsWith('libc.musl-') || name === 'libc.so'))
    return 'musl'
  return names.some((name) => name === 'libc.so.6' || name.startsWith('ld-linux') || /^ld64\.so\./.test(name))
    ? 'glibc'
    : undefined
}

/** What the text in a libc says of its version: `2.36`. */
export function libcVersion(bytes: Uint8Array, kind: LibcKind): string | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (kind === 'glibc') {
    const at = buffer.indexOf('GNU C Library (')
    const text = at < 0 ? '' : buffer.subarray(at, at + 256).toString('latin1')
    return / release version (\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1]
  }
  // Its banner has a place for the version, which is a text of its own.
  if (!buffer.includes('musl libc (')) return undefined
  return /\0(1\.\d{1,3}\.\d{1,3})(?:-git[\w.-]*)?\0/.exec(buffer.toString('latin1'))?.[1]
}

/** The highest `GLIBC_x.y` that these require: they run on that glibc and on later ones. */
export function requiredGlibc(files: Iterable<Pick<BinaryFacts, 'requires'>>): string | undefined {
  const found: number[][] = []
  for (const { requires } of files)
    for (const version of Object.values(requires).flat()) {
      const numbers = /^GLIBC_(\d{1,4}(?:\.\d{1,4}){1,2})$/.exec(version)?.[1]
      if (numbers) found.push(numbers.split('.').map(Number))
    }
  return (
    found.reduce<number[]>((highest, one) => (compare(one, highest) > 0 ? one : highest), []).join('.') || undefined
  )
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
