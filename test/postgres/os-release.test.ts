import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readOsRelease } from '../../src/postgres/os-release.ts'

// As the images have it, shortened to what is read.
test.each([
  ['PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n', 'bookworm'],
  ['PRETTY_NAME="Debian GNU/Linux trixie/sid"\nVERSION_CODENAME=trixie\nID=debian\n', 'trixie'],
  ['NAME="Ubuntu"\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n', 'noble'],
  ['NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.3\n', 'alpine3.20'],
  ['NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n', 'rocky9'],
  ['ID=arch\n', 'arch'],
  ['ID="$(reboot)"\nVERSION_ID=1\n', undefined],
  ['', undefined],
])('readOsRelease(%j) is %j', (text, expected) => expect(readOsRelease(text)).toBe(expected))

test('readOsRelease() gives a plain word for any text', () => {
  fc.assert(
    fc.property(fc.string(), (text) => void expect(readOsRelease(`ID=${text}`) ?? '').toMatch(/^[\w.-]{0,130}$/)),
  )
})
