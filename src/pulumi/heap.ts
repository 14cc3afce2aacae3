import { setFlagsFromString } from 'node:v8'

// An image streams through as short-lived buffers, for which V8 would let its young generation grow, and free their
// memory later: that is a fifth of the process's memory, and no faster. Pulumi starts the process, so this is the only
// place to say so. Imported for this effect.
setFlagsFromString('--semi-space-growth-factor=1')
