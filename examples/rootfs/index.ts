import * as pulumi from '@pulumi/pulumi'
import * as pgoci from 'pulumi-postgres-oci'

const config = new pulumi.Config()
const connection = {
  host: config.require('host'),
  user: config.get('user') ?? 'root',
  sudo: config.getBoolean('sudo') ?? false,
  privateKey: config.getSecret('privateKey'),
  hostKey: config.require('hostKey'),
}

// An operating system's image with Postgres in it runs with that system's libc, ICU, locales and time zones.
const pg = new pgoci.Distribution('orders', { connection, image: config.require('distribution') })

for (const [name, image] of Object.entries(config.requireObject<Record<string, string>>('extensions'))) {
  new pgoci.Extension(name, { distribution: pg, image })
}

export const systemdUnit = pg.systemdUnit
export const runScript = pg.runScript
