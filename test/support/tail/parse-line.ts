import { expect } from 'bun:test'
import { decode } from '@msgpack/msgpack'
import { skip } from '../../../src/core/msgpack/encode.ts'
import type { OptionTable } from '../../../src/core/options/option.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { EntryWriter, Parser } from '../../../src/core/parser.ts'
import type { ParserSpec } from '../../../src/core/plugin.ts'
import type { Clock, Logger } from '../../../src/core/services.ts'

export const SILENT: Logger = { error() {}, warn() {}, info() {}, debug() {} }
const READ_SEC = 7
const READ_NSEC = 8
const FENCE = 0xaa

export interface Parsed {
  record: Record<string, unknown>
  /** Undefined when the parser kept the time of reading. */
  time: string | undefined
}

export function parserOf<T extends OptionTable>(
  spec: ParserSpec<T>,
  texts: Record<string, string> = {},
  now = '2026-11-21T12:00:00Z',
): Parser {
  const clock: Clock = { nowMs: () => Date.parse(now), after: () => undefined as never, cancel() {} }
  return spec.create(parseOptions(spec.options, texts as never), { name: 'test', log: SILENT, clock })
}

/**
 * Parses one line and checks the contract of parsers: nothing before `at` or after the bound is written, the map is complete
 * and counts the extra pairs, and a rejected line leaves the writer unchanged. Returns undefined for a rejected line.
 */
export function parseLine(parser: Parser, line: string | Uint8Array, extraPairs = 0): Parsed | undefined {
  const text = typeof line === 'string' ? Buffer.from(line) : line
  // Surrounded by bytes that would change the result if they were read.
  const src = Buffer.concat([Buffer.from('{"9'), text, Buffer.from('9"}')])
  const bound = parser.bound(text.length)
  const buf = Buffer.alloc(bound + 45 + extraPairs * 4, FENCE)
  const out: EntryWriter = { buf, at: 5, sec: READ_SEC, nsec: READ_NSEC, extraPairs }
  const found = parser.parse(src, 3, 3 + text.length, out)
  expect([...buf.subarray(0, 5), ...buf.subarray(5 + bound)].every((byte) => byte === FENCE)).toBe(true)
  if (!found) {
    expect([out.at, out.sec, out.nsec]).toEqual([5, READ_SEC, READ_NSEC])
    return undefined
  }
  expect(out.at).toBeLessThanOrEqual(5 + bound)
  for (let i = 0; i < extraPairs; i++) {
    const pair = Buffer.from([0xa2, 0x01, i + 1, 0xc0])
    out.at += pair.copy(buf, out.at)
  }
  expect(skip(buf, 5, out.at)).toBe(out.at)
  const record = decode(buf.subarray(5, out.at), { useBigInt64: true }) as Record<string, unknown>
  for (let i = 0; i < extraPairs; i++) {
    const key = String.fromCharCode(1, i + 1)
    expect(record[key]).toBe(null)
    delete record[key]
  }
  const timed = out.sec !== READ_SEC || out.nsec !== READ_NSEC
  return { record, time: timed ? isoTime(out.sec, out.nsec) : undefined }
}

/** Formats a time with all nine digits. */
function isoTime(sec: number, nsec: number): string {
  return `${new Date(sec * 1000).toISOString().slice(0, 19)}.${String(nsec).padStart(9, '0')}Z`
}
