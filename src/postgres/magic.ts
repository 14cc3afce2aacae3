/** What a module's magic block says it was built for; a server loads only modules that agree in all of it. */
export interface ModuleMagic {
  readonly major: number
  /** Bytes of the block: 56 for 15 to 17, 72 for 18. */
  readonly length: number
  readonly functionMaxArguments: number
  readonly indexMaxKeys: number
  readonly nameDataLength: number
  /** `PostgreSQL`, or whose fork it is; absent before 15. */
  readonly vendor?: string | undefined
}

const lengths = [24, 28, 56, 64, 72]
const vendorAt = 24

/**
 * Finds the block that PG_MODULE_MAGIC puts into every module: length, version, FUNC_MAX_ARGS, INDEX_MAX_KEYS,
 * NAMEDATALEN, FLOAT8PASSBYVAL, and since 15 the ABI's vendor (fmgr.h, Pg_magic_struct and Pg_abi_values; since 18
 * two pointers follow). The compiler aligns it by 4 at least, and nothing else looks like it: of 245 modules of three majors
 * each had one (B-field, EXP-9).
 *
 * @param options.isLittle byte order of the module
 */
export function readMagic(bytes: Uint8Array, { isLittle = true } = {}): ModuleMagic | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const number = (at: number) => view.getInt32(at, isLittle)
  for (let at = 0; at + 24 <= bytes.length; at += 4) {
    const length = number(at)
    if (!lengths.includes(length) || at + length > bytes.length) continue
    const [version, functionMaxArguments, indexMaxKeys, nameDataLength] = [4, 8, 12, 16].map((one) => number(at + one))
    if (!isWithin(version, 900, 9999) || !isWithin(functionMaxArguments, 100, 600)) continue
    if (!isWithin(indexMaxKeys, 32, 1024) || !isWithin(nameDataLength, 64, 1024) || nameDataLength % 4 !== 0) continue
    if (!isWithin(number(at + 20), 0, 1)) continue
    const vendor = length >= 56 ? textIn(bytes.subarray(at + vendorAt, at + vendorAt + 32)) : undefined
    if (length >= 56 && vendor === undefined) continue
    return {
      ...{ major: Math.floor(version / 100), length, functionMaxArguments, indexMaxKeys, nameDataLength },
      ...(vendor === undefined ? {} : { vendor }),
    }
  }
  return undefined
}

function isWithin(value: number | undefined, least: number, most: number): value is number {
  return value !== undefined && value >= least && value <= most
}

/** Printable text that ends with zeros. */
function textIn(bytes: Uint8Array): string | undefined {
  return /^([\x20-\x7e]{1,31})\0+$/.exec(Buffer.from(bytes).toString('latin1'))?.[1]
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

/** What `pg_config --configure` says, which the server carries too: `--prefix=/usr`, … */
export function readConfigure(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // They begin their text: nothing behind is looked at again, whatever a file repeats.
  for (let at = text.indexOf("'--"), end = 0; at >= 0; at = text.indexOf("'--", end)) {
    const window = text.subarray(at, at + 16_384)
    end = at + (window.includes(0) ? window.indexOf(0) : window.length)
    const flags = text.toString('latin1', at, end)
    if (/^(?:'[^'\0]*' ?)+$/.test(flags) && /'--(?:prefix|with|without|enable|build|bindir)/.test(flags))
      return [...flags.matchAll(/'([^']*)'/g)].map(([, flag = '']) => flag)
  }
  return []
}
