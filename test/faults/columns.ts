import { lacks } from '../support/needs.ts'

/** A kind of host: its shell, and whether its tools are GNU's or busybox's. */
export interface Column {
  readonly name: string
  readonly kind: 'local' | 'sshd' | 'debian'
  /** Whether a real Postgres runs from the store and is asked all the time. */
  readonly hasPostgres?: boolean
  readonly shell: readonly [string, ...string[]]
  readonly tools: 'gnu' | 'busybox'
}

const local = (name: string, shell: Column['shell'], tools: Column['tools']): Column => ({
  name,
  kind: 'local',
  shell,
  tools,
})

/** The first of them are what distributions ship, and enough for a sample. */
export const sampledShells = 3
const all: readonly Column[] = [
  local('dash, GNU tar', ['dash'], 'gnu'),
  local('bash, GNU tar', ['bash'], 'gnu'),
  local('ash, busybox tar', ['busybox', 'ash'], 'busybox'),
  local('dash, busybox tar', ['dash'], 'busybox'),
  local('bash, busybox tar', ['bash'], 'busybox'),
  local('ash, GNU tar', ['busybox', 'ash'], 'gnu'),
]

export const shells = all.filter(
  ({ shell: [program], tools }) => !lacks(program) && (tools === 'gnu' || !lacks('busybox')),
)
export const sshd: Column = { name: 'real sshd', kind: 'sshd', shell: ['dash'], tools: 'gnu' }
export const debian: Column = { name: 'real Debian', kind: 'debian', shell: ['dash'], tools: 'gnu' }
export const postgres: Column = { ...local('Postgres 18 at work', ['dash'], 'gnu'), hasPostgres: true }
