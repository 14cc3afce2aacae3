const mostNames = 20
const suffix = Buffer.from('.so')
const longest = 100

/**
 * Names of libraries among a module's texts, as in `libmysqlclient.so`: what it may open while it runs. Those that it is
 * linked with are there, too.
 */
export function namedLibraries(bytes: Buffer): string[] {
  const names = new Set<string>()
  for (let at = bytes.indexOf(suffix); at >= 0 && names.size < mostNames; at = bytes.indexOf(suffix, at + 1)) {
    const end = bytes.indexOf(0, at)
    const start = bytes.lastIndexOf(0, at) + 1
    if (end < 0 || end - start > longest) continue
    const text = bytes.subarray(start, end).toString('latin1')
    if (/^lib[A-Za-z0-9_+.-]+\.so(?:\.\d+)*$/.test(text)) names.add(text)
  }
  return [...names]
}
