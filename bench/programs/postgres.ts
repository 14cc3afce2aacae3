// What the bench measures: examples/quickstart, with a key instead of a password.
import * as pulumi from '@pulumi/pulumi'
import * as pgoci from 'pulumi-postgres-oci'

const config = new pulumi.Config()
const pg = new pgoci.Distribution('pg18', {
  connection: {
    host: '127.0.0.1',
    port: config.requireNumber('port'),
    user: config.require('user'),
    privateKeyPath: config.require('privateKeyPath'),
    hostKey: config.require('hostKey'),
  },
  root: config.require('root'),
  image: config.require('distribution'),
})

for (const [name, image] of Object.entries(config.requireObject<Record<string, string>>('extensions'))) {
  new pgoci.Extension(name, { distribution: pg, image })
}
