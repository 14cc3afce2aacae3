import type { Log } from '../oci/environment.ts'
import { refName } from '../oci/referrers.ts'
import type { Listed } from './closure.ts'

/**
 * The index.json of a bundle, in one order whatever the order of its images. A name that would mean two images means
 * none: those stay, and are found by their digests.
 */
export function bundleIndex(listed: readonly Listed[], log: Log): object {
  const ambiguous = new Set<string>()
  const meaning = new Map<string, string>()
  for (const { name, digest } of listed) {
    if (name === undefined) continue
    if ((meaning.get(name) ?? digest) !== digest) ambiguous.add(name)
    meaning.set(name, digest)
  }
  for (const name of [...ambiguous].sort())
    log(`${name} means two images here, pinned at different times: the bundle has both, by digest only`)
  const manifests = listed.map(({ mediaType, digest, size, artifactType, name }) => {
    const isNamed = name !== undefined && !ambiguous.has(name)
    return {
      ...{ mediaType, digest, size },
      ...(artifactType ? { artifactType } : {}),
      ...(isNamed ? { annotations: { [refName]: name } } : {}),
    }
  })
  const key = (one: object) => JSON.stringify(one)
  return {
    ...{ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json' },
    manifests: manifests.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)),
  }
}
