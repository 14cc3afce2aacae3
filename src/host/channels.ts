/** Who may have a channel now. */
export interface Channels {
  /** Runs a task when one is free, in the order they came. */
  run<T>(task: () => Promise<T>): Promise<T>
  /**
   * For a running task whose channel the host refused: waits until another task has ended, and remembers that there
   * are no more than there were. `false` when nobody else has one, so that waiting for us would not help.
   */
  refused(): Promise<boolean>
}

/** At most `most` tasks at a time; fewer for good where the host grants fewer (sshd's MaxSessions). */
export function channelGate(most: number): Channels {
  let limit = most
  let running = 0
  const waiting: (() => void)[] = []
  const release = () => {
    running -= 1
    // A channel goes from hand to hand, so nobody who comes in between can take one more.
    if (running >= limit || waiting.length === 0) return
    running += 1
    waiting.shift()?.()
  }
  return {
    run: async (task) => {
      if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve))
      else running += 1
      try {
        return await task()
      } finally {
        release()
      }
    },
    refused: async () => {
      if (running < 2) return false
      running -= 1
      limit = running
      await new Promise<void>((resolve) => waiting.unshift(resolve))
      return true
    },
  }
}
