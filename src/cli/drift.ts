import { reportInstance } from '../engine/report.ts'
import { probe } from '../host/probe.ts'
import { type HostOptions, hostHelp, takeHost, withStore } from './host.ts'
import { writeLines } from './output.ts'
import { Exit, type Verb } from './verb.ts'

const examples = `${hostHelp}

Examples:
  pgoci drift ssh://deploy@db1.example.com --sudo
  pgoci drift db1.json --instance orders

Exit codes: 0, no drift; 1, drift; 2, it could not be told, and why, or a wrong command line.`

/** `pgoci drift`: what is not on a host as the host's own record says. */
export const drift: Verb = (program, terminal) => {
  const command = program
    .command('drift')
    .summary('compare a host with its own record')
    .description('Looks whether all is on a host as its last pulumi up left it. It needs no stack and changes nothing.')
  takeHost(command)
    .addHelpText('after', examples)
    .action(async (host: string, options: HostOptions) => {
      const { signal, stdout } = terminal
      const look = async () =>
        withStore(host, options, async (target) => reportInstance(await probe(target, { verify: 'quick', signal })), {
          signal,
        })
      const found = await look().catch((error: unknown) => {
        throw new Exit(2, { cause: error })
      })
      await writeLines(stdout, found)
      if (found.length > 0) throw new Exit(1)
    })
}
