import { setTimeout as pause } from 'node:timers/promises'

const quietMs = 50
const longestMs = 2000

let running = 0
let ended = 0

/** Counts a check as under way until it ends. */
export async function counted<T>(check: () => Promise<T>): Promise<T> {
  running += 1
  try {
    return await check()
  } finally {
    running -= 1
    ended = Date.now()
  }
}

/**
 * Waits until the engine has stopped checking resources, and two seconds at most: it creates the first while it still
 * checks the others, and what they want on the same host belongs into the same commit.
 */
export async function checksEnded(): Promise<void> {
  const started = Date.now()
  while (Date.now() - started < longestMs && (running > 0 || Date.now() - ended < quietMs)) await pause(10)
}
