import type { OutputContext } from '../../../src/core/plugin.ts'
import { Budget } from '../../../src/engine/budget.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { listLog } from './chunks.ts'

/** Returns a context of an output without an agent: ample memory, a signal that is never aborted. */
export function outputContext(more: Partial<OutputContext> = {}): OutputContext {
  return {
    name: 'out.0',
    log: listLog().log,
    counters: new CounterMap(),
    clock: systemClock,
    agent: { version: '0', id: 'agent-1', hostname: 'host-1' },
    signal: new AbortController().signal,
    buffers: new Budget(100_000_000, 65_536).account(100_000_000),
    reject: (_chunk, _start, _end, reason) => {
      throw reason
    },
    isOverdue: () => false,
    ...more,
  }
}
