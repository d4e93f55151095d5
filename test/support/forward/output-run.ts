import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { ENTRY_HEAD, writeEntryHead, writeMapHead, writeStr } from '../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Output } from '../../../src/core/plugin.ts'
import type { Clock } from '../../../src/core/services.ts'
import { type Account, Budget } from '../../../src/engine/budget.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { spec } from '../../../src/plugins/outputs/forward/index.ts'
import { listLog } from '../engine/chunks.ts'
import { outputContext } from '../engine/output-context.ts'
import { atEnd } from '../tmp.ts'
import type { ForwardPeer } from './peer.ts'

/** A forward output, its counters and the account that its copies are taken from. */
interface ForwardOutputRun {
  output: Output
  counts: Map<string, number>
  account: Account
  /** Log lines. */
  logged: string[]
}

/**
 * Creates a forward output to `peer` with options as written in a configuration; it is closed after the test.
 */
export function forwardTo(
  peer: ForwardPeer | undefined,
  options: Record<string, string | string[]> = {},
  clock: Clock = systemClock,
  signal = new AbortController().signal,
): ForwardOutputRun {
  const counts = new Map<string, number>()
  const account = testAccount()
  const { lines: logged, log } = listLog()
  const ctx = outputContext({
    name: 'forward.0',
    log,
    counters: {
      add: (name, ...[n = 1]) => void counts.set(name, (counts.get(name) ?? 0) + n),
      get: (name) => counts.get(name) ?? 0,
    },
    clock,
    signal,
    buffers: account,
  })
  const given = peer === undefined || peer.port === 0 ? options : { port: String(peer.port), ...options }
  const output = spec.create(parseOptions(spec.options, given), ctx)
  atEnd(() => output.close())
  return { output, counts, account, logged }
}

export function testAccount(): Account {
  return new Budget(100_000_000, 65_536).account(100_000_000)
}

/** Returns a chunk of real entries `[EventTime(1700000000 + i, 5), {"log": text}]`. */
export function entriesChunk(
  id: string,
  texts: string[] = [`line of ${id}`],
  tag = 't',
  account: Account = testAccount(),
): Chunk {
  const start = headRoom(tag)
  const bytes = texts.reduce((n, text) => n + ENTRY_HEAD + 10 + Buffer.byteLength(text), 0)
  const buf = account.force(start + bytes + TAIL_ROOM)
  let at = start
  for (const [i, text] of texts.entries()) {
    at = writeEntryHead(buf, at, 1_700_000_000 + i, 5)
    at = writeStr(buf, writeStr(buf, writeMapHead(buf, at, 1), 'log'), text)
  }
  const init = { tag, input: 'in.0', buf, start, end: at, count: texts.length, id, inputBytes: bytes }
  return new Chunk(init, account)
}
