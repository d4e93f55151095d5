export interface UntilOptions {
  /** Most time to wait; default 15 s. */
  limitMs?: number
  /** What is waited for, for the message of the failure. A function is asked when the wait has failed. */
  what?: string | (() => string)
  /** Pause between two looks; default 5. */
  everyMs?: number
}

/**
 * Waits until `condition` gives a truthy value and returns it. A test waits for what it claims, never for a time:
 * the limit is only the point where it is called a failure. An exception of `condition` ends the wait.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  options: UntilOptions = {},
): Promise<Exclude<T, false | null | undefined | 0 | ''>> {
  const { limitMs = 15_000, everyMs = 5, what } = options
  const end = performance.now() + limitMs
  for (;;) {
    const value = await condition()
    if (value) return value as Exclude<T, false | null | undefined | 0 | ''>
    if (performance.now() >= end) {
      const text = typeof what === 'function' ? what() : (what ?? condition.toString())
      throw new Error(`waited ${limitMs} ms in vain for: ${text}`)
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}

/** The promise, or a failure that says what did not happen within the limit. */
export function within<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limitMs} ms in vain for: ${what}`)), limitMs)
  })
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer))
}

/**
 * The shortest time that `attempt` tells in milliseconds, of a few; no further one is made once it is below the limit.
 * For what must be fast: a busy machine makes any single attempt longer.
 */
export async function fastest(limitMs: number, attempt: (n: number) => Promise<number>): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let n = 0; n < ATTEMPTS && best >= limitMs; n++) best = Math.min(best, await attempt(n))
  return best
}

const ATTEMPTS = 10
