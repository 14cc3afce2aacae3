import { type DriftReport, reportInstance } from '../engine/drift-report.ts'
import { describeDrift } from '../engine/drift-text.ts'
import { pendingLine } from '../engine/pending.ts'
import { probe } from '../host/probe.ts'
import { printable } from '../model/quote.ts'
import { type HostOptions, hostHelp, takeHost, withStore } from './host.ts'
import { writeLines } from './output.ts'
import { Exit, type Verb } from './verb.ts'

const examples = `${hostHelp}

Examples:
  pgoci drift ssh://deploy@db1.example.com --sudo
  pgoci drift db1.json --instance orders --full
  pgoci drift db1.json --json | jq -r '.drift[] | [.kind, .area, .path] | @tsv'

Exit codes: 0, no drift; 1, drift; 2, it could not be told, and why, or a wrong command line.`

interface Options extends HostOptions {
  readonly full?: true
  readonly json?: true
}

/** `pgoci drift`: what is not on a host as the host's own record says. */
export const drift: Verb = (program, terminal) => {
  const command = program
    .command('drift')
    .summary('compare a host with its own record')
    .description(
      'Tells whether all is on a host as the last pulumi up left it. It compares with the record there, so it needs no stack.',
    )
  takeHost(command)
    .option('--full', 'read every file, not only those that the file system says have changed')
    .option('--json', 'print JSON, with all of a long list (docs/schemas/drift.json)')
    .addHelpText('after', examples)
    .action(async (host: string, options: Options) => {
      const { signal, stdout } = terminal
      const verified = options.full ? 'full' : 'quick'
      const look = () =>
        withStore(
          host,
          options,
          async (target) => {
            const seen = await probe(target, { verify: verified, purpose: 'report', signal })
            return reportInstance(seen, {
              host: target.transport.name,
              root: target.root,
              instance: target.instance,
              verified,
            })
          },
          terminal,
        )
      const report = await look().catch((error: unknown) => {
        throw new Exit(2, { cause: error })
      })
      await writeLines(stdout, options.json ? [JSON.stringify(report, null, 2)] : text(report))
      if (!report.isClean) throw new Exit(1)
    })
}

function text(report: DriftReport): string[] {
  const { instance, host, generation, when, who, verified, isClean } = report
  const made = `generation ${generation}, made at ${printable(when)} by ${printable(who)}`
  const how = verified === 'full' ? 'every file was read' : 'what the file system says has changed was read'
  return [
    `${instance} on ${printable(host)} ${isClean ? 'is as its record says' : 'has drifted from its record'} (${made}; ${how})`,
    ...describeDrift(report.drift),
    ...report.pending.map(pendingLine),
    ...report.notes,
  ]
}
