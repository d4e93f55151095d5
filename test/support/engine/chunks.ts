import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import type { Outcome } from '../../../src/core/plugin.ts'
import type { Logger } from '../../../src/core/services.ts'
import { type Account, Budget } from '../../../src/engine/budget.ts'
import { Receipt } from '../../../src/engine/receipt.ts'

/** An account whose limits a test never meets. */
export function roomyAccount(): Account {
  return new Budget(100_000_000, 65_536).account(100_000_000)
}

/** A chunk with `text` as its entries; its id is the text. */
export function makeChunk(
  text: string,
  options: { tag?: string; count?: number; account?: Account } = {},
): Chunk {
  const { tag = 't', count = 1, account = roomyAccount() } = options
  const start = headRoom(tag)
  const buf = account.force(start + text.length + TAIL_ROOM)
  const end = start + buf.write(text, start, 'latin1')
  const init = { tag, input: 'in.0', buf, start, end, count, id: text, inputBytes: text.length }
  return new Chunk(init, account)
}

/** A receipt for one route, and the outcomes that it was settled with: to be one in the end. */
export function receiptOf(chunk: Chunk): { receipt: Receipt; outcomes: Outcome[] } {
  const outcomes: Outcome[] = []
  return { receipt: new Receipt(chunk, 1, (outcome) => outcomes.push(outcome)), outcomes }
}

/** What is logged, one line each: `warn text`. */
export function listLog(): { lines: string[]; log: Logger } {
  const lines: string[] = []
  const at = (level: string) => (message: string) => void lines.push(`${level} ${message}`)
  return { lines, log: { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') } }
}

/** Lets everything run that promises have queued. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
