import { hostAndPort, type Place } from '../engine/resource.ts'
import type { Inputs, Values } from './kind.ts'

/** Whether it is about the same installation; another host, store or instance has data of its own. */
export function isSamePlace(olds: Values, inputs: Inputs): boolean {
  const news = inputs as unknown as Values
  return hostOf(olds) === hostOf(news) && ['root', 'instance'].every((key) => olds[key] === news[key])
}

/** `host:port` of the connection in a resource's properties. */
export function hostOf(values: Values): string {
  return hostAndPort((values['connection'] ?? {}) as Place['connection'])
}
