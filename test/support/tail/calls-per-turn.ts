import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import { SLICE_MS } from '../../../src/plugins/inputs/tail/reading/slices.ts'

const original = { ...systemCalls }
const realNow = performance.now.bind(performance)

/** Ends `countCallsPerTurn`. */
export function restoreCalls(): void {
  Object.assign(systemCalls, original)
  performance.now = realNow
}

/** Time that each system call seems to take. With a count of calls instead of a time, a busy machine changes nothing. */
const CALL_MS = 1

/**
 * Makes each call take CALL_MS by the clock that slices go by, and returns the largest number of calls between two turns of the event loop so
 * far.
 */
export function countCallsPerTurn(): () => number {
  let calls = 0
  let most = 0
  let passedMs = 0
  performance.now = () => realNow() + passedMs
  for (const name of [
    'statSync',
    'openSync',
    'readSync',
    'fstatSync',
    'lstatSync',
    'realpathSync',
  ] as const) {
    const real = original[name] as (...args: never[]) => unknown
    Object.assign(systemCalls, {
      [name]: (...args: never[]) => {
        calls++
        most = Math.max(most, calls)
        passedMs += CALL_MS
        return real(...args)
      },
    })
  }
  const turn = (): void => {
    calls = 0
    if (systemCalls.statSync !== original.statSync) setImmediate(turn)
  }
  turn()
  return () => most
}

/** What may happen in a turn: some slices of different work, each with a last step that takes longer. */
export const MOST_CALLS = 16 * (SLICE_MS / CALL_MS)
