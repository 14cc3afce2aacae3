import type { Values } from './kind.ts'

/** What Pulumi sends in a preview for values that are not known yet. */
const unknownValue = '04da6b54-80e4-46f7-96ec-b56ff0331ba9'

export function hasUnknown(value: unknown): boolean {
  if (value === unknownValue) return true
  if (Array.isArray(value)) return value.some(hasUnknown)
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnknown)
}

/** Those of a resource's properties that it has. */
export function only(values: Values, keys: readonly string[]): Values {
  return Object.fromEntries(keys.flatMap((key) => (key in values ? [[key, values[key]]] : [])))
}

export function without(values: Values, keys: readonly string[]): Values {
  return Object.fromEntries(Object.entries(values).filter(([key]) => !keys.includes(key)))
}

/** A value that Pulumi's state can hold: plain data, without `undefined` at any depth. */
export function toState<T extends Record<string, unknown>>(value: T): T {
  return clean(value) as T
}

function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clean)
  if (typeof value === 'object' && value !== null) {
    if (![Object.prototype, null].includes(Object.getPrototypeOf(value)))
      throw new TypeError('Cannot put an instance of a class into the state')
    return Object.fromEntries(
      Object.entries(value).flatMap(([key, one]) => (one === undefined ? [] : [[key, clean(one)]])),
    )
  }
  if (
    ['string', 'boolean'].includes(typeof value) ||
    value === null ||
    (typeof value === 'number' && Number.isFinite(value))
  )
    return value
  throw new TypeError(`Cannot put a ${typeof value} into the state`)
}
