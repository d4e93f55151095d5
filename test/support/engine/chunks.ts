import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import type { Outcome } from '../../../src/core/plugin.ts'
import type { Logger } from '../../../src/core/services.ts'
import { type Account, Budget } from '../../../src/engine/budget.ts'
import { Receipt } from '../../../src/engine/receipt.ts'

/** Creates an account with limits that a test never reaches. */
export function unlimitedAccount(): Account {
  return new Budget(100_000_000, 65_536).account(100_000_000)
}

/** Creates a chunk with `text` as its entries and as its id. */
export function makeChunk(
  text: string,
  options: { tag?: string; count?: number; input?: string; account?: Account; id?: string } = {},
): Chunk {
  const { tag = 't', count = 1, input = 'in.0', account = unlimitedAccount(), id = text } = options
  const start = headRoom(tag)
  const buf = account.force(start + text.length + TAIL_ROOM)
  const end = start + buf.write(text, start, 'latin1')
  const init = { tag, input, buf, start, end, count, id, inputBytes: text.length }
  return new Chunk(init, account)
}

/** Creates a receipt for one route; `outcomes` collects the outcomes it settles with, of which there should be one. */
export function receiptOf(chunk: Chunk): { receipt: Receipt; outcomes: Outcome[] } {
  const outcomes: Outcome[] = []
  return { receipt: new Receipt(chunk, 1, { settled: (outcome) => outcomes.push(outcome) }), outcomes }
}

/** Creates a log that collects its lines as `warn text`. */
export function listLog(): { lines: string[]; fields: (Record<string, unknown> | undefined)[]; log: Logger } {
  const lines: string[] = []
  const fields: (Record<string, unknown> | undefined)[] = []
  const at = (level: string) => (message: string, more?: Record<string, unknown>) => {
    lines.push(`${level} ${message}`)
    fields.push(more)
  }
  return {
    lines,
    fields,
    log: { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') },
  }
}

/** Resolves after all queued promise callbacks have run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
