import { spawn } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseDocument } from 'yaml'

const repository = resolve(import.meta.dirname, '../..')

export interface CliResult {
  readonly code: number | null
  readonly output: string
}

/** A stack in a temporary project, with the file backend, for the real Pulumi CLI. */
export class TestStack {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'pgoci-stack-'))
  readonly env: NodeJS.ProcessEnv
  private readonly project: string

  /**
   * @param settings.main the program's file, which says how Node runs it
   * @param settings.typescript Pulumi's own way to run TypeScript (ts-node); otherwise Node does it
   */
  constructor(
    program: string,
    settings: { env?: NodeJS.ProcessEnv; main?: string; typescript?: boolean; project?: string } = {},
  ) {
    const { main = 'index.ts', typescript = false, project = 'story' } = settings
    this.project = project
    mkdirSync(join(this.folder, 'node_modules'))
    mkdirSync(join(this.folder, 'backend'))
    symlinkSync(repository, join(this.folder, 'node_modules', 'pulumi-postgres-oci'))
    symlinkSync(join(repository, 'node_modules', '@pulumi'), join(this.folder, 'node_modules', '@pulumi'))
    const type = typescript || main.endsWith('.cjs') ? 'commonjs' : 'module'
    writeFileSync(join(this.folder, 'package.json'), JSON.stringify({ type }))
    writeFileSync(
      join(this.folder, 'Pulumi.yaml'),
      `name: ${project}\nmain: ${main}\nruntime: { name: nodejs, options: { typescript: ${typescript} } }\n`,
    )
    writeFileSync(join(this.folder, main), program)
    this.env = {
      ...process.env,
      PULUMI_BACKEND_URL: `file://${join(this.folder, 'backend')}`,
      PULUMI_HOME: join(this.folder, 'home'),
      PULUMI_CONFIG_PASSPHRASE: 'test',
      PULUMI_SKIP_UPDATE_CHECK: 'true',
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
      PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS: 'true',
      NO_COLOR: '1',
      PGOCI_CACHE: join(this.folder, 'cache'),
      ...settings.env,
    }
  }

  /** Runs `pulumi …words` to its end; never throws for a bad exit. */
  run(...words: string[]): Promise<CliResult> {
    return this.start(...words).result
  }

  /** Starts `pulumi …words`, as the leader of a process group of its own, as a terminal's shell would. */
  start(...words: string[]) {
    let interrupt = () => {}
    let hear = () => {}
    let output = ''
    const result = new Promise<CliResult>((done, fail) => {
      const child = spawn(
        process.env['PGOCI_PULUMI'] ?? 'pulumi',
        ['--non-interactive', '--color', 'never', ...words],
        { cwd: this.folder, env: this.env, stdio: ['ignore', 'pipe', 'pipe'], detached: true },
      )
      interrupt = () => process.kill(-(child.pid as number), 'SIGINT')
      const add = (chunk: Buffer) => {
        output += chunk
        hear()
      }
      child.stdout.on('data', add)
      child.stderr.on('data', add)
      child.once('error', fail)
      child.once('close', (code) => done({ code, output }))
    })
    /** Resolves when it has printed `text`. */
    const said = (text: string) =>
      new Promise<void>((resolve) => {
        hear = () => output.includes(text) && resolve()
        hear()
      })
    return { result, interrupt: () => interrupt(), said }
  }

  async init(config: Record<string, string | { secret: string }> = {}): Promise<void> {
    await this.expect(0, 'stack', 'init', 'test')
    for (const [key, value] of Object.entries(config)) {
      if (typeof value === 'string') await this.set(key, value)
      else await this.expect(0, 'config', 'set', '--secret', key, '--', value.secret)
    }
  }

  /** Writes what `pulumi config set` would, without the start of a process. */
  async set(key: string, value: string): Promise<void> {
    const [name] = globSync('Pulumi.*.yaml', { cwd: this.folder })
    const path = join(this.folder, String(name))
    const settings = parseDocument(readFileSync(path, 'utf8'))
    settings.setIn(['config', key.includes(':') ? key : `${this.project}:${key}`], value)
    writeFileSync(path, settings.toString({ lineWidth: 0 }))
  }

  /** Like {@link run}, and throws with the whole output for another exit code. */
  async expect(code: number, ...words: string[]): Promise<string> {
    const result = await this.run(...words)
    if (result.code !== code)
      throw new Error(`pulumi ${words.join(' ')} ended with ${result.code}, not ${code}:\n${result.output}`)
    return result.output
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
