/** How to log in to a registry. */
export type Credential = (
  | { readonly username: string; readonly password: string }
  /** An OAuth2 refresh token, which is exchanged for an access token. */
  | { readonly identityToken: string }
) & {
  /** For messages, as in "the login from ~/.docker/config.json was refused". */
  readonly source?: string
}

/** Looks a login up, when a registry asks for one; `undefined` means anonymous. */
export type FindCredential = (options: { readonly signal?: AbortSignal | undefined }) => Promise<Credential | undefined>
