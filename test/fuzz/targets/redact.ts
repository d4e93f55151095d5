import { encode } from '@msgpack/msgpack'
import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { skip } from '../../../src/core/msgpack/encode.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { FilterContext } from '../../../src/core/plugin.ts'
import { spec } from '../../../src/plugins/filters/redact/index.ts'
import { SCRIPT_OPTIONS } from '../../../src/plugins/filters/script/options.ts'
import { ScriptFilter } from '../../../src/plugins/filters/script/script-filter.ts'
import { chunkOf, LooseBuffers } from '../../support/engine/chunk-of.ts'
import { LaterList } from '../../support/later.ts'
import { PIECES } from '../../support/redact.ts'
import { SILENT } from '../support.ts'
import { must, size, type Target } from '../target.ts'

/** Secrets that are planted; no part of them may be left. */
const PLANTED = [
  '4111111111111111',
  'DE89370400440532013000',
  'joe@planted.example',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
  `AKIA${'IOSFODNN7EXAMPLE'}`,
]
/** So many that the module searches the chunk. */
const FILL = Array.from({ length: 100 }, (_, i) => ({ log: `${'plain words of a line '.repeat(8)}${i}` }))

interface Context {
  ctx: FilterContext
  buffers: LooseBuffers
  rejected: () => number
}

function contextOf(): Context {
  const buffers = new LooseBuffers()
  let rejected = 0
  const ctx = { buffers, log: SILENT, counters: { add() {} }, reject: () => rejected++ }
  return { ctx: ctx as unknown as FilterContext, buffers, rejected: () => rejected }
}

function redactOf(texts: Record<string, string>, ctx: FilterContext) {
  return spec.create(parseOptions(spec.options, texts as never) as never, ctx)
}

/** Returns the bytes of the entry with this number. */
function entryAt(chunk: Chunk, number: number): string {
  let at = chunk.start
  for (let i = 0; i < number; i++) at = skip(chunk.buf, at, chunk.end)
  return chunk.buf.toString('latin1', at, skip(chunk.buf, at, chunk.end))
}

function redacted(record: object, fill: readonly object[], texts: Record<string, string>): string {
  const { ctx, buffers } = contextOf()
  const chunk = chunkOf([...fill, record], 'app', buffers)
  redactOf(texts, ctx).apply(chunk, undefined as never)
  must(chunk.count === fill.length + 1, 'a record is missing')
  must(buffers.out.size === 1, 'a buffer was not given back')
  return entryAt(chunk, fill.length).slice(11)
}

/** Returns a chunk of one entry after another with any bytes. */
function rawChunk(input: Buffer, buffers: LooseBuffers): Chunk {
  const start = headRoom('app')
  const buf = buffers.force(start + input.length + TAIL_ROOM)
  input.copy(buf, start)
  const end = start + input.length
  return new Chunk(
    { tag: 'app', input: 'fuzz', buf, start, end, count: 1, id: 'id', inputBytes: input.length },
    buffers,
  )
}

/** Any bytes are redacted without a crash, the same way in small and large chunks, and no planted secret is left. */
export const redact: Target = {
  name: 'redact',
  maxBytes: 3000,
  dictionary: PIECES.map((piece) => Buffer.from(piece).toString('latin1')),
  seeds: () => [
    ...PIECES,
    Buffer.from(encode([[0, {}], { password: 'x', list: ['joe@example.com', 4111111111111111] }])),
  ],
  run(input) {
    const text = input.toString('latin1')
    const record = { log: text, bytes: input, [`k${text.slice(0, 40)}`]: [text] }
    const small = redacted(record, [], {})
    must(small === redacted(record, FILL, {}), 'the module finds other secrets')
    redacted(record, [], { kind: 'ipv4,ipv6', pattern: 'p (a|b)*c' })
    for (const secret of PLANTED) {
      const planted = redacted({ log: `${text}\n ${secret} \n${text}` }, FILL, {})
      must(text.includes(secret) || !planted.includes(secret), () => `${secret} is left`)
    }
    const { ctx, buffers, rejected } = contextOf()
    const raw = rawChunk(input, buffers)
    redactOf({}, ctx).apply(raw, undefined as never)
    must(raw.end <= raw.buf.length - TAIL_ROOM, 'there is no room after the entries')
    return `${size(small.length)} ${small === Buffer.from(encode(record)).toString('latin1')} ${rejected()}`
  },
}

/** A script that returns what it gets keeps each record as it is, or fails on it; a chunk stays complete. */
export const script: Target = {
  name: 'script',
  maxBytes: 3000,
  dictionary: [
    '\xa1a',
    '\x81',
    '\x91',
    '\xdf\0\0\0\x01',
    '\xcf',
    '\xd9\x01',
    '\xc7\x01\x05',
    '\xa9__proto__',
    '\xcb',
  ],
  seeds: () =>
    [
      { a: 1.5, b: [null, true, { c: 'é' }] },
      { n: 2 ** 40, bin: Buffer.from([255]) },
    ].map((body) => Buffer.from(encode([0, body]))),
  run(input) {
    if (skip(input, 0, input.length) !== input.length) return 'none'
    const { ctx, buffers, rejected } = contextOf()
    const options = parseOptions(SCRIPT_OPTIONS, { script: '/unused' })
    const filter = new ScriptFilter(options, ctx, (_tag, time, record) => [2, time, record])
    const once = rawChunk(input, buffers)
    filter.apply(once, new LaterList(buffers))
    must(once.count + rejected() === 1, 'a record has no fate, or two')
    const first = once.buf.toString('latin1', once.start, once.end)
    filter.apply(once, new LaterList(buffers))
    must(
      first === once.buf.toString('latin1', once.start, once.end),
      'the second result differs from the first',
    )
    return `${rejected()} ${size(once.size)} ${first === input.toString('latin1')}`
  },
}
