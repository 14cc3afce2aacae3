/**
 * What a caller may branch on. The text of the message is for people; the code is for programs and tests.
 */
export type Code =
  | 'BAD_INPUT'
  | 'BAD_REFERENCE'
  | 'NOT_FOUND'
  | 'REGISTRY_FAILED'
  /** It wants another login, or none can be found. */
  | 'REGISTRY_REFUSED'
  /** By a host. */
  | 'LOGIN_REFUSED'
  | 'DIGEST_MISMATCH'
  | 'BAD_IMAGE'
  | 'LAYER_REFUSED'
  | 'LIMIT_EXCEEDED'
  | 'WRONG_PLATFORM'
  | 'NOT_POSTGRES'
  | 'NOT_MARRIED'
  /** What sorts text is another one, and nobody has said that this is known. */
  | 'COLLATION_CHANGED'
  | 'CONFLICT'
  /** By what is declared on it. */
  | 'STILL_NEEDED'
  | 'HOST_KEY_REFUSED'
  | 'HOST_UNREACHABLE'
  | 'HOST_REFUSED'
  | 'HOST_LACKS_TOOL'
  | 'NO_SPACE'
  /** By a host, of what it should have fetched itself; SSH is used instead. */
  | 'RELAY_FAILED'
  | 'LOCKED'
  | 'STORE_CHANGED'
  | 'ABORTED'

/**
 * A failure that a person must act on. The message says what could not be done, to what, where; then what was
 * found; then what to do. It never holds a secret, and text that came from outside is passed through {@link quote}.
 */
export class ProviderError extends Error {
  override readonly name = 'ProviderError'
  readonly code: Code

  constructor(code: Code, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}

/** The message of anything thrown, without assuming that it is an Error. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
