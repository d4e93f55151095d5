import type { Clock, Logger } from '../../../src/core/services.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import {
  DEAD_LETTER_COUNTERS,
  type DeadLetterPlace,
  DeadLetters,
} from '../../../src/engine/dead-letters/dead-letters.ts'
import { listLog } from './chunks.ts'

/** Returns the options of a queue for what it gives up. */
export function givingUp(
  place: DeadLetterPlace,
  parts: { clock?: Clock; log?: Logger; counters?: CounterMap } = {},
): { deadLetters: DeadLetters; deadLetterAfterMs: number } {
  const { clock = systemClock, log = listLog().log } = parts
  const { counters = new CounterMap(DEAD_LETTER_COUNTERS) } = parts
  return {
    deadLetters: new DeadLetters({ owner: 'out.0', place, clock, log, counters }),
    deadLetterAfterMs: 300_000,
  }
}
