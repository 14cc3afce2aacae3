/** What a module's magic block says it was built for. */
export interface ModuleMagic {
  readonly major: number
}

/**
 * Finds the block that PG_MODULE_MAGIC puts into every module: length, version, FUNC_MAX_ARGS 100, INDEX_MAX_KEYS
 * 32, NAMEDATALEN 64 (fmgr.h, Pg_abi_values). All 245 modules of three majors had it (B-field, EXP-9).
 */
export function readMagic(bytes: Uint8Array): ModuleMagic | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const limits = Buffer.from([100, 0, 0, 0, 32, 0, 0, 0, 64, 0, 0, 0])
  for (let at = buffer.indexOf(limits); at >= 0; at = buffer.indexOf(limits, at + 1)) {
    if (at < 8) continue
    const version = buffer.readInt32LE(at - 4)
    const length = buffer.readInt32LE(at - 8)
    if (length >= 24 && length <= 256 && version >= 900 && version < 10_000) return { major: Math.floor(version / 100) }
  }
  return undefined
}

/** The version a server binary carries: `postgres (PostgreSQL) 18.4`. */
export function readServerVersion(bytes: Uint8Array): { version: string; major: number } | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const at = text.indexOf('postgres (PostgreSQL) ')
  if (at < 0) return undefined
  const found = /^postgres \(PostgreSQL\) ((\d{1,3})[0-9A-Za-z.]{0,20})/.exec(
    text.subarray(at, at + 64).toString('latin1'),
  )
  return found ? { version: found[1] as string, major: Number(found[2]) } : undefined
}
