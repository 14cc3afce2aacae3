import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DebianStack } from '../support/debian-stack.ts'
import { whyNoRealHosts } from '../support/root-needs.ts'
import { type StopPoint, StopPoints } from '../support/stop-points.ts'
import { differences } from '../support/store-check.ts'

const why = whyNoRealHosts()

// Before the switch the old state must be there, after it the new one.
const cuts: readonly (StopPoint & { readonly name: string; readonly left: 'old' | 'new' })[] = [
  { name: 'while files arrive', when: 'half', command: 'tar -xf -', left: 'old' },
  { name: 'when all files arrived and none is synced', when: 'before', command: 'sync -f staging/*', left: 'old' },
  { name: 'between one tree and the next', when: 'after', command: 'mv -T staging/*/trees/*', left: 'old' },
  { name: 'just before the switch', when: 'before', command: 'mv -T */current.new *', left: 'old' },
  {
    name: 'just after the switch, before it is synced',
    when: 'after',
    command: 'mv -T */current.new *',
    left: 'new',
  },
]

describe.skipIf(why !== undefined)(
  `a power cut of the host in the middle of up${why ? ` (skipped: ${why})` : ''}`,
  { timeout: 300_000 },
  () => {
    let db: DebianStack
    let points: StopPoints
    let before: string
    const current = () => readlinkSync(join(db.host.disk, 'var/lib/pgoci/instances/orders/current'))

    beforeAll(async () => {
      db = await DebianStack.start({ cache: 'kept' })
      await db.declare('ip4r')
      await db.up()
      await db.serve()
      await db.query('CREATE EXTENSION ip4r')
      before = current()
      points = new StopPoints(db.host)
      // One change and no more: a second one would be tried again by itself once the host is up.
      await db.declare('ip4r', 'postgis')
    }, 600_000)

    afterAll(() => db?.remove())

    test.each(cuts)('$name: Postgres starts again from a complete tree', async ({ left, ...point }) => {
      const running = db.stack.run('up', '--yes', '--skip-preview')
      await points.reach(point, running)
      await db.host.cutPower()
      points.clear()
      await db.host.boot()

      const { code, output } = await running
      expect(code).not.toBe(0)
      // A dying process may still get a word out.
      expect(output).toMatch(/Cannot (reach|tell|write)/)
      expect(current() === before ? 'old' : 'new').toBe(left)
      expect(differences(join(db.host.disk, 'var/lib/pgoci'), 'orders')).toEqual([])
      expect(await db.query("SELECT ip4r '10.0.0.0/8' >>= ip4r '10.1.2.3'")).toBe('t')
    })

    test('the next up finishes what the last one began', async () => {
      await db.up()
      expect(current()).not.toBe(before)
      expect(differences(join(db.host.disk, 'var/lib/pgoci'), 'orders')).toEqual([])
      await db.host.run('systemctl restart pgoci-orders')
      expect(
        await db.query('CREATE EXTENSION postgis; SELECT ST_NPoints(ST_Buffer($$POINT(0 0)$$::geometry, 1))'),
      ).toBe('CREATE EXTENSION\n33')
      await db.stack.expect(0, 'preview', '--refresh', '--expect-no-changes')
    })
  },
)
