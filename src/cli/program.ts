import { clusterOf } from '../engine/installed-image.ts'
import type { Facts, Member } from '../engine/record.ts'
import type { Connection } from '../host/connection.ts'
import { rootSchema } from '../host/place.ts'
import { secretsOf, withoutSecrets } from './secrets.ts'

/** An instance on a host, with what is declared there. */
export interface Instance {
  readonly instance: string
  readonly members: readonly Member[]
}

/** The program that declares what a host has, in TypeScript. Secrets come from the stack's configuration. */
export function programText(
  connection: Connection,
  instances: readonly Instance[],
  { root }: { readonly root: string },
): string {
  const hasSecrets = secretsOf(connection).length > 0
  const hasExtensions = instances.some(({ members }) => members.length > 1)
  const place = root === rootSchema.parse(undefined) ? {} : { root }
  const lines = [
    ...(hasSecrets ? [importLine('* as pulumi', '@pulumi/pulumi')] : []),
    importLine(`{ Distribution${hasExtensions ? ', Extension' : ''} }`, 'pulumi-postgres-oci'),
    '',
    ...(hasSecrets ? ['const config = new pulumi.Config()'] : []),
    `const connection = ${literal(withoutSecrets(connection, (secret) => new Code(`config.requireSecret('${secret.key}')`)))}`,
    ...instances.flatMap(({ instance, members }, index) => {
      const variable = instances.length === 1 ? 'pg' : `pg${index + 1}`
      const [distribution, ...extensions] = members
      const cluster = clusterOf(distribution?.reference ?? '')
      const postgres = cluster ? { installed: new Code(inline({ cluster })) } : { image: distribution?.reference }
      const args = { connection: new Code('connection'), ...place, ...postgres }
      return [
        '',
        `${extensions.length > 0 ? `const ${variable} = ` : ''}new Distribution(${literal(instance)}, ${inline(args)})`,
        ...extensions.map(
          ({ name, reference, facts }) =>
            `new Extension(${literal(name)}, ${inline({ distribution: new Code(variable), image: reference, ...chosen(facts) })})`,
        ),
      ]
    }),
  ]
  return `${lines.join('\n')}\n`
}

/** What a program says of an extension beside its image. */
function chosen(facts: Facts | undefined): object {
  if (facts === undefined || !('provides' in facts)) return {}
  const { include, overrides } = facts
  return { ...(include ? { include } : {}), ...(overrides ? { overrides } : {}) }
}

function importLine(what: string, from: string): string {
  return `import ${what} from '${from}'`
}

/** Text that is code already. */
class Code {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

function inline(fields: object): string {
  const parts = Object.entries(fields).map(([key, value]) => {
    const text = literal(value)
    return key === text ? key : `${key}: ${text}`
  })
  return `{ ${parts.join(', ')} }`
}

/** A value as TypeScript has it, whatever characters are in it. */
function literal(value: unknown, indent = ''): string {
  if (value instanceof Code) return value.text
  if (typeof value === 'string') return stringLiteral(value)
  if (Array.isArray(value)) return `[${value.map((one) => literal(one)).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const inner = `${indent}  `
  const fields = Object.entries(value).filter(([, one]) => one !== undefined)
  return `{\n${fields.map(([key, one]) => `${inner}${key}: ${literal(one, inner)},\n`).join('')}${indent}}`
}

function stringLiteral(text: string): string {
  const inner = JSON.stringify(text).slice(1, -1)
  return `'${inner
    .replaceAll('\\"', '"')
    .replaceAll("'", "\\'")
    .replace(/[\u007f-\uffff]/g, escaped)}'`
}

/** Nothing invisible and nothing that changes the direction of a line may hide in a program. */
function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
