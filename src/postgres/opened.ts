const mostNames = 20
const suffix = Buffer.from('.so')
const longest = 100

/**
 * Names of libraries among a module's texts, as in `libmysqlclient.so`: what it may open while it runs. Those that it is
 * linked with are there, too.
 */
export function namedLibraries(bytes: Buffer): string[] {
  const names = new Set<string>()
  // Each text is looked at once, and no longer than a name is: bytes that are no texts may go on for megabytes.
  for (let at = bytes.indexOf(suffix), next = 0; at >= 0 && names.size < mostNames; at = bytes.indexOf(suffix, next)) {
    const from = Math.max(0, at - longest)
    const near = bytes.subarray(from, at + longest)
    const end = near.indexOf(0, at - from)
    next = end < 0 ? at + longest : from + end
    const text = near.toString('latin1', near.lastIndexOf(0, at - from) + 1, Math.max(0, end))
    if (text.length <= longest && /^lib[A-Za-z0-9_+.-]+\.so(?:\.\d+)*$/.test(text)) names.add(text)
  }
  return [...names]
}
