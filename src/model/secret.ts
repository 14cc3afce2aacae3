/** The arguments of a connection that nobody else may read. */
export const secretArguments = ['password', 'privateKey', 'privateKeyPassword', 'sudoPassword'] as const
