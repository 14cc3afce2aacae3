import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/model/digest.ts'
import { ProviderError } from '../../src/model/error.ts'
import { formatPinned, parseReference } from '../../src/model/reference.ts'

const digest = digestOf('x')
const registry = (host: string, repository: string, more = {}) => ({
  transport: 'registry',
  registry: host,
  repository,
  ...more,
})

test.each<[string, object]>([
  ['postgres', registry('docker.io', 'library/postgres')],
  ['postgres:17', registry('docker.io', 'library/postgres', { tag: '17' })],
  ['docker.io/postgres:17', registry('docker.io', 'library/postgres', { tag: '17' })],
  ['acme/pgvector', registry('docker.io', 'acme/pgvector')],
  ['ghcr.io/acme/pgvector:0.8.1', registry('ghcr.io', 'acme/pgvector', { tag: '0.8.1' })],
  [`ghcr.io/acme/pgvector:0.8.1@${digest}`, registry('ghcr.io', 'acme/pgvector', { tag: '0.8.1', digest })],
  [`ghcr.io/acme/pgvector@${digest}`, registry('ghcr.io', 'acme/pgvector', { digest })],
  ['localhost/x', registry('localhost', 'x')],
  ['localhost:5000/x', registry('localhost:5000', 'x')],
  ['127.0.0.1:5000/a/b/c:1', registry('127.0.0.1:5000', 'a/b/c', { tag: '1' })],
  ['[::1]:5000/x', registry('[::1]:5000', 'x')],
  ['a.b/c__d-e--f.g/h', registry('a.b', 'c__d-e--f.g/h')],
  ['oci:./images', { transport: 'oci', path: './images' }],
  ['oci:/var/images:pg17', { transport: 'oci', path: '/var/images', tag: 'pg17' }],
  ['oci:images:ghcr.io/acme/pg:17', { transport: 'oci', path: 'images', tag: 'ghcr.io/acme/pg:17' }],
  ['oci:a:b:tag', { transport: 'oci', path: 'a', tag: 'b:tag' }],
  ['oci-archive:./b.tar', { transport: 'oci-archive', path: './b.tar' }],
  [
    'oci-archive:/mnt/b.tar:localhost:5000/acme/pgvector:0.8.1',
    { transport: 'oci-archive', path: '/mnt/b.tar', tag: 'localhost:5000/acme/pgvector:0.8.1' },
  ],
  [`oci-archive:b.tar:pg17@${digest}`, { transport: 'oci-archive', path: 'b.tar', tag: 'pg17', digest }],
  ['docker-archive:x.tar:postgres:17', { transport: 'docker-archive', path: 'x.tar', tag: 'postgres:17' }],
  [`oci:/home/me@corp/x@1@${digest}`, { transport: 'oci', path: '/home/me@corp/x@1', digest }],
  ['oci-archive:@x/b.tar:1', { transport: 'oci-archive', path: '@x/b.tar', tag: '1' }],
  [`oci-archive:b.tar@${digest}`, { transport: 'oci-archive', path: 'b.tar', digest }],
  [`oci:images:pg17@${digest}`, { transport: 'oci', path: 'images', tag: 'pg17', digest }],
])('%s is understood', (text, reference) => {
  expect(parseReference(text)).toEqual(reference)
})

test.each<[string, RegExp]>([
  ['', /no repository name/],
  ['ghcr.io/', /no repository name/],
  ['ghcr.io/Acme/x', /names are lower-case/],
  ['ghcr.io/acme//x', /no repository name/],
  ['ghcr.io/../x', /no repository name/],
  ['ghcr.io/a/x:', /no tag/],
  ['ghcr.io/a/x:-1', /no tag/],
  [`ghcr.io/a/x:${'t'.repeat(129)}`, /no tag/],
  [`ghcr.io/${'n'.repeat(250)}`, /no repository name/],
  ['ghcr.io/a/x@sha256:123', /no digest/],
  [`ghcr.io/a/x@${digest.toUpperCase()}`, /no digest/],
  [`ghcr.io/a/x@${digest}@${digest}`, /no digest/],
  ['ghcr.io/a/x@sha256:../../../etc/passwd', /no digest/],
  ['https://ghcr.io/a/x', /without a scheme/],
  ['docker://ghcr.io/a/x', /without a scheme/],
  ['user:secret@ghcr.io/a/x', /no digest/],
  ['gh cr.io/a/x', /./],
  ['-a.io/x', /no host/],
  ['a.io:port/x', /no host/],
  ['oci:', /expected oci:DIR/],
  ['oci:dir:', /no tag/],
  ['oci:a::tag', /":tag" is no tag; the path ends at the first colon/],
  ['oci:dir@sha256:123', /"sha256:123" is no digest/],
  [`oci:dir@${digest}@${digest}`, /is no digest/],
  [`oci:dir@${digest}:tag`, /is no digest/],
  [`oci:dir:tag@sha512:${'0'.repeat(128)}`, /is no digest/],
  [`oci:@${digest}`, /expected oci:DIR/],
  ['oci:dir:tag@other', /"tag@other" is no tag/],
  ['oci-archive::tag', /expected oci-archive:FILE or oci-archive:FILE:TAG/],
  ['oci-archive:b.tar:', /no tag/],
  ['oci-archive:b.tar:-x', /no tag/],
  ['oci-archive:b\0.tar', /expected oci-archive:FILE/],
  ['oci:dir:a b', /no tag/],
  ['containers-storage:x', /not supported/],
])('"%s" is refused', (text, says) => {
  expect(() => parseReference(text)).toThrow(says)
  expect(() => parseReference(text)).toThrow(ProviderError)
})

test('whatever the text, the answer is a reference that can be written again, or one kind of error', () => {
  const piece = fc.constantFrom(
    'a',
    'B',
    '/',
    ':',
    '@',
    '.',
    '-',
    '_',
    '5000',
    'oci:',
    'oci-archive:',
    'x.io',
    digest,
    '\n',
    'é',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      try {
        const reference = parseReference(pieces.join(''))
        const pinned = formatPinned(reference, digest)
        const { tag: _, ...rest } = reference
        expect(parseReference(pinned)).toEqual({ ...rest, digest })
      } catch (error) {
        expect(error).toBeInstanceOf(ProviderError)
        expect((error as ProviderError).message).not.toContain('\n')
      }
    }),
    { numRuns: 5000 },
  )
})
