import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { command } from '../test/support/command.ts'
import type { Contender, Field, Step } from './contender.ts'
import { extensionNames } from './images.ts'

const added = extensionNames.at(-1) as string
const tools = /^(?:\S*\/)?(?:skopeo|umoci|rsync|crane|ssh|tar) /

/** A peer's run: its commands go through bash, with $REGISTRY, $HOST (a folder on the host), $WORK (one here), $SSH. */
function peer(
  facts: Pick<Contender, 'name' | 'verified' | 'synced'>,
  needs: readonly string[],
  steps: Readonly<Partial<Record<Step['scenario'], { readonly how: string; readonly script: string }>>>,
): Contender {
  const missing = needs.filter(isMissing)
  return {
    ...facts,
    process: (commandLine) => tools.test(commandLine),
    ...(missing.length > 0 ? { missing: `${missing.join(', ')} not installed` } : {}),
    start: async (field, number) => {
      const work = join(field.folder, `work-${number}`)
      const host = join(field.folder, `host-${number}`)
      mkdirSync(work)
      mkdirSync(host)
      const env = { ...process.env, ...environment(field), WORK: work, HOST: host }
      return {
        steps: Object.entries(steps).map(([scenario, { how, script }]) => ({
          scenario: scenario as Step['scenario'],
          how,
          ...(versions[scenario] ? { result: { tree: join(host, 'current'), version: versions[scenario] } } : {}),
          run: () => command('bash', ['-euo', 'pipefail', '-c', `${functions}\n${script}`], { env }),
        })),
        end: () => {
          for (const path of [work, host]) rmSync(path, { recursive: true, force: true })
        },
      }
    },
  }
}

const versions: Readonly<Record<string, number>> = { cold: 1, upgrade: 2, rollback: 1 }

function environment({ sshd, link, registry }: Field) {
  const words = sshd.client(link.port)
  return { REGISTRY: registry, SSH: ['ssh', ...words].join(' '), TARGET: `${sshd.user}@127.0.0.1` }
}

const functions = `
host() { $SSH "$TARGET" "$1"; }
flip() { host "ln -sfn $1 $HOST/new && mv -T $HOST/new $HOST/current"; }
fetch() { # fetch NAME TAG TO: skopeo leaves out what the layout has; umoci flattens
  skopeo copy --quiet --src-tls-verify=false "docker://$REGISTRY/bench/$1:$2" "oci:$WORK/oci:$1-$2"
  umoci unpack ${process.getuid?.() === 0 ? '' : '--rootless'} --image "$WORK/oci:$1-$2" "$WORK/$3"
}
send() { # send FROM TO OPTIONS
  rsync -a "\${@:3}" -e "$SSH" "$WORK/$1/rootfs/" "$TARGET:$HOST/$2/"
}
export_() { crane export --insecure "$REGISTRY/bench/$1" -; }
`

export const rsync = () =>
  peer({ name: 'skopeo + umoci + rsync', verified: 'no', synced: 'no' }, ['skopeo', 'umoci', 'rsync', 'bash'], {
    cold: { how: 'rsync -a, then a link', script: 'fetch postgres 1 v1; send v1 v1; flip v1' },
    extension: { how: 'rsync -a into the tree, in place', script: `fetch ${added} 1 extension; send extension v1` },
    noop: { how: 'rsync -a: size and time only', script: 'send v1 v1' },
    drift: { how: 'rsync -anc: reads both sides', script: 'send v1 v1 --dry-run --checksum --itemize-changes' },
    upgrade: {
      how: 'rsync -a --link-dest, then a link; without the extensions',
      script: 'fetch postgres 2 v2; send v2 v2 "--link-dest=$HOST/v1"; flip v2',
    },
    rollback: { how: 'a link', script: 'flip v1' },
  })

export const crane = () =>
  peer({ name: 'crane export | ssh tar x', verified: 'no', synced: 'no' }, ['crane', 'bash'], {
    cold: {
      how: 'whole image, then a link',
      script: 'export_ postgres:1 | host "mkdir $HOST/v1 && tar -xC $HOST/v1"; flip v1',
    },
    extension: { how: 'into the tree, in place', script: `export_ ${added}:1 | host "tar -xC $HOST/v1"` },
    drift: { how: 'tar --compare with the registry', script: 'export_ postgres:1 | host "tar -dC $HOST/v1"' },
    upgrade: {
      how: 'whole image, then a link; without the extensions',
      script: 'export_ postgres:2 | host "mkdir $HOST/v2 && tar -xC $HOST/v2"; flip v2',
    },
    rollback: { how: 'a link', script: 'flip v1' },
  })

function isMissing(name: string): boolean {
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name]).status !== 0
}
