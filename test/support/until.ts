/**
 * Limit of a wait, so that a hang ends with a message. Long enough for any machine that makes progress at all: a test
 * never fails because the machine is slow.
 */
export const HANG_MS = 120_000

export interface UntilOptions {
  /** Time after which the wait has failed; default HANG_MS. */
  limitMs?: number
  /** Name of the condition for the error message. A function is called when the wait has failed. */
  what?: string | (() => string)
  /** Pause between two checks; default 5. */
  everyMs?: number
}

/**
 * Waits until `condition` returns a truthy value and returns that value. A test waits for what it claims, never for a
 * time. An exception of `condition` ends the wait.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  options: UntilOptions = {},
): Promise<Exclude<T, false | null | undefined | 0 | ''>> {
  const { limitMs = HANG_MS, everyMs = 5, what } = options
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

/**
 * Waits until `measure` reaches `target`, as long as its value keeps growing: the work may take any time, a standstill
 * of HANG_MS is the failure.
 */
export async function untilReaches(
  target: number,
  measure: () => number | Promise<number>,
  options: { what?: () => string; everyMs?: number; standstillMs?: number } = {},
): Promise<void> {
  const { what = () => measure.toString(), everyMs, standstillMs = HANG_MS } = options
  let best = Number.NEGATIVE_INFINITY
  let grownMs = performance.now()
  const reached = async (): Promise<boolean> => {
    const value = await measure()
    const nowMs = performance.now()
    if (value > best) {
      best = value
      grownMs = nowMs
    } else if (nowMs - grownMs >= standstillMs) {
      throw new Error(`stood at ${best} of ${target} for ${standstillMs} ms: ${what()}`)
    }
    return value >= target
  }
  await until(reached, { limitMs: Number.POSITIVE_INFINITY, ...(everyMs === undefined ? {} : { everyMs }) })
}

/** Returns the result of the promise, or throws an error that names what did not happen within the limit. */
export function within<T>(promise: Promise<T>, limitMs: number, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limitMs} ms in vain for: ${what}`)), limitMs)
  })
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer))
}

/**
 * Returns the shortest of the times in milliseconds that `attempt` returns. Stops at the first one below the limit, else
 * after MAX_ATTEMPTS. For what must be fast: a busy machine makes any single attempt longer.
 */
export async function fastest(limitMs: number, attempt: (n: number) => Promise<number>): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let n = 0; n < MAX_ATTEMPTS && best >= limitMs; n++) best = Math.min(best, await attempt(n))
  return best
}

const MAX_ATTEMPTS = 10
