import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { command } from '../test/support/command.ts'
import type { Contender, Field, Step } from './contender.ts'
import { removeFolder } from './folder.ts'
import { extensionNames } from './images.ts'
import { isMissing, nixSettings, shellFunctions } from './shell.ts'

const added = extensionNames.at(-1) as string
const tools = /^(?:\S*\/)?(?:skopeo|umoci|rsync|crane|nix|ssh|tar) /
const versions: Readonly<Partial<Record<Step['scenario'], number>>> = { cold: 1, file: 3, upgrade: 2, rollback: 1 }

type Script = readonly [scenario: Step['scenario'], script: string, how?: string]

/** A peer's run: its commands go through bash, in the order of a host's life. */
function peer(
  facts: Pick<Contender, 'name' | 'verified' | 'synced' | 'lacks'> & { readonly needs: readonly string[] },
  scripts: readonly Script[],
): Contender {
  const { needs, ...rest } = facts
  const missing = [...needs, 'bash'].filter(isMissing)
  return {
    ...rest,
    process: (commandLine) => tools.test(commandLine),
    ...(missing.length > 0 ? { missing: `${missing.join(', ')} not installed` } : {}),
    start: async (field, number) => {
      const work = join(field.folder, `work-${number}`)
      const host = join(field.folder, `host-${number}`)
      const shared = join(field.folder, 'shared')
      for (const path of [work, host, shared]) mkdirSync(path, { recursive: true })
      const env = { ...process.env, ...environment(field), WORK: work, HOST: host, SHARED: shared }
      return {
        steps: scripts.map(([scenario, script, how = '']) => {
          const version = versions[scenario]
          return {
            scenario,
            how,
            ...(version ? { result: { tree: join(host, 'current'), version } } : {}),
            run: () => command('bash', ['-euo', 'pipefail', '-c', `${shellFunctions}\n${script}`], { env }),
          }
        }),
        end: () => {
          for (const path of [work, host]) removeFolder(path)
        },
      }
    },
  }
}

function environment({ sshd, link, registry }: Field): NodeJS.ProcessEnv {
  const words = sshd.client(link.port).join(' ')
  const target = `${sshd.user}@127.0.0.1`
  return { REGISTRY: registry, SSH: `ssh ${words}`, TARGET: target, NIX_SSHOPTS: words, NIX_CONFIG: nixSettings }
}

const skopeoRsync = () =>
  peer(
    {
      name: 'skopeo + umoci + rsync',
      verified: 'no',
      synced: 'no',
      needs: ['skopeo', 'umoci', 'rsync'],
    },
    [
      ['cold', 'unpack postgres 1 $WORK/v1; send $WORK/v1 v1; flip v1', 'rsync -a, then a link'],
      ['extension', `unpack ${added} 1 $WORK/e; send $WORK/e v1`, 'rsync -a into the tree, in place'],
      ['noop', 'send $WORK/v1 v1', 'rsync -a: size and time only'],
      ['drift', 'send $WORK/v1 v1 --dry-run --checksum --itemize-changes', 'rsync -anc: reads both sides'],
      [
        'file',
        'unpack postgres 3 $WORK/v3; send $WORK/v3 v3 "--link-dest=$HOST/v1"; flip v3',
        'rsync -a --link-dest, then a link; without the extensions',
      ],
      [
        'upgrade',
        'unpack postgres 2 $WORK/v2; send $WORK/v2 v2 "--link-dest=$HOST/v1"; flip v2',
        'rsync -a --link-dest, then a link; without the extensions',
      ],
      ['rollback', 'flip v1', 'a link'],
    ],
  )

const rsync = () =>
  peer({ name: 'rsync --link-dest', verified: 'no', synced: 'no', needs: ['skopeo', 'umoci', 'rsync'] }, [
    ['setup', `for version in 1 2 3; do tree postgres $version; done; tree ${added} 1`],
    ['cold', 'send $SHARED/postgres-1 v1; flip v1', 'rsync -a of an unpacked tree, then a link'],
    ['extension', `send $SHARED/${added}-1 v1`, 'rsync -a of an unpacked tree, in place'],
    ['noop', 'send $SHARED/postgres-1 v1', 'rsync -a: size and time only'],
    ['drift', 'send $SHARED/postgres-1 v1 --dry-run --checksum --itemize-changes', 'rsync -anc: reads both sides'],
    [
      'file',
      'send $SHARED/postgres-3 v3 "--link-dest=$HOST/v1"; flip v3',
      'of an unpacked tree, then a link; without the extensions',
    ],
    [
      'upgrade',
      'send $SHARED/postgres-2 v2 "--link-dest=$HOST/v1"; flip v2',
      'of an unpacked tree, then a link; without the extensions',
    ],
    ['rollback', 'flip v1', 'a link'],
  ])

const crane = () =>
  peer(
    {
      name: 'crane export | ssh tar x',
      verified: 'no',
      synced: 'no',
      lacks: { noop: 'the same as a cold install: it does not know what the host has' },
      needs: ['crane'],
    },
    [
      ['cold', 'stream postgres:1 v1; flip v1', 'whole image, then a link'],
      ['extension', `stream ${added}:1 v1`, 'into the tree, in place'],
      ['drift', 'export_ postgres:1 | host "tar -dC $HOST/v1"', 'tar --compare with the registry'],
      ['file', 'stream postgres:3 v3; flip v3', 'whole image, then a link; without the extensions'],
      ['upgrade', 'stream postgres:2 v2; flip v2', 'whole image, then a link; without the extensions'],
      ['rollback', 'flip v1', 'a link'],
    ],
  )

/** Nix hashes the stream while it writes, and not what it wrote; `fsync-store-paths` is false unless set. */
const nix = () =>
  peer(
    {
      name: 'nix copy --to ssh://',
      verified: 'the stream',
      synced: 'no',
      needs: ['skopeo', 'umoci', 'nix', 'nix-store'],
    },
    [
      ['setup', `for version in 1 2 3; do stored postgres $version; done; stored ${added} 1`],
      ['cold', 'copy postgres-1; flip "$(onHost postgres-1)"', 'a store path here already, then a link'],
      ['extension', `copy ${added}-1`, 'a store path of its own, not in the tree'],
      ['noop', 'copy postgres-1', 'asks whether the path is there'],
      [
        'drift',
        'host "nix-store --store $HOST/nix-root --verify-path $(cat "$SHARED/postgres-1.path")"',
        'nix-store --verify-path: hashes all',
      ],
      ['file', 'copy postgres-3; flip "$(onHost postgres-3)"', 'whole store path, then a link'],
      ['upgrade', 'copy postgres-2; flip "$(onHost postgres-2)"', 'whole store path, then a link'],
      ['rollback', 'flip "$(onHost postgres-1)"', 'a link'],
    ],
  )

export const peers = (): Contender[] => [skopeoRsync(), rsync(), crane(), nix()]
