import { systemCalls } from '../../../src/lib/fs/system-calls.ts'
import { SLICE_MS } from '../../../src/plugins/inputs/tail/reading/slices.ts'

const original = { ...systemCalls }

/** Ends `countCallsPerTurn`. */
export function restoreCalls(): void {
  Object.assign(systemCalls, original)
}

/** Time that each system call takes. With a count of calls instead of a time, a busy machine changes nothing. */
const CALL_MS = 1

/**
 * Makes each call take CALL_MS, and returns the largest number of calls between two turns of the event loop so
 * far.
 */
export function countCallsPerTurn(): () => number {
  let calls = 0
  let most = 0
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
        Bun.sleepSync(CALL_MS)
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
