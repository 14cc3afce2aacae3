import * as pulumi from '@pulumi/pulumi'
import * as pgoci from 'pulumi-postgres-oci'

const config = new pulumi.Config()
const connection = {
  host: config.require('host'),
  port: config.getNumber('port') ?? 22,
  user: config.get('user') ?? 'root',
  password: config.getSecret('password'),
  hostKey: config.get('hostKey'),
}

const pg = new pgoci.Distribution('pg18', {
  connection,
  root: config.get('root'),
  image: config.require('distribution'),
})

// { "hstore": "registry.example.com/ext/hstore:1.8", … }
for (const [name, image] of Object.entries(config.requireObject<Record<string, string>>('extensions'))) {
  new pgoci.Extension(name, { distribution: pg, image })
}

export const binDirectory = pg.binDirectory
export const postgresVersion = pg.postgresVersion
export const image = pg.image
export const libraryPath = pg.libraryPath
