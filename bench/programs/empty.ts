// Pulumi's own floor: as many resources as the measured stack has, of a dynamic provider that does nothing.
import * as pulumi from '@pulumi/pulumi'

const nothing: pulumi.dynamic.ResourceProvider = {
  create: async () => ({ id: 'empty', outs: {} }),
  read: async (id, props) => ({ id, props }),
}

class Empty extends pulumi.dynamic.Resource {
  constructor(name: string) {
    super(nothing, name, {})
  }
}

for (let number = 0; number < 11; number += 1) new Empty(`empty-${number}`)
