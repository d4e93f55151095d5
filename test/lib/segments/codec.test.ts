import { describe, expect, test } from 'bun:test'
import { ByteWriter } from '../../../src/lib/segments/bytes.ts'
import {
  decodeHead,
  decodeTexts,
  type EntryHead,
  encodeEntry,
  HEAD_BYTES,
  hasRoute,
  isMetaWhole,
} from '../../../src/lib/segments/entry-codec.ts'
import {
  decodeFooter,
  decodeHeader,
  encodeFooter,
  encodeHeader,
  headerBytes,
} from '../../../src/lib/segments/segment-codec.ts'
import {
  bounded,
  decodeSlot,
  encodeSlot,
  MAX_OPEN,
  NO_STATE,
  stateFileName,
} from '../../../src/lib/segments/state-file.ts'
import { fc } from '../../support/property.ts'
import { textChunk } from '../../support/segments/logs.ts'

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const whole = fc.maxSafeNat()
const number = fc.integer({ min: 1, max: 2 ** 52 - 1 })
// A JavaScript string that is not well-formed has no UTF-8.
const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const head = fc
  .record({
    number,
    before: whole,
    mark: u32,
    seed: u32,
    outputs: fc.array(fc.tuple(text, whole), { maxLength: 20 }),
  })
  .map(({ outputs, ...rest }) => ({
    ...rest,
    table: outputs.map(([name]) => name),
    beforeOf: outputs.map(([, before]) => before),
  }))
const position = fc.record({ segment: number, offset: whole })

describe('the codec', () => {
  test('reads headers and footers as they were written', () => {
    fc.assert(
      fc.property(head, whole, whole, u32, (written, created, records, end) => {
        const header = encodeHeader(written, created)
        expect(header.length).toBe(headerBytes(written.table))
        expect(decodeHeader(Buffer.concat([Buffer.from('x'), header, header]), 1)).toEqual(written)
        const totals = written.table.map((_, i) => ({ chunks: i, records: i * 3, bytes: i * 1e12 }))
        const footer = encodeFooter({ head: written, end, records, totals })
        expect(decodeFooter(Buffer.concat([header, footer]), end + footer.length)).toEqual({
          head: written,
          end,
          records,
          totals,
        })
        expect(decodeFooter(footer, end + footer.length + 1)).toBeUndefined()
      }),
    )
  })

  test('reads entries as they were written, at their place alone', () => {
    const origins = fc.array(fc.record({ file: text, offset: whole, end: whole }), { maxLength: 4 })
    const chunk = fc.record({ tag: text, input: text, count: u32, origins, hasMetadata: fc.boolean() })
    const routes = fc.uniqueArray(fc.integer({ min: 0, max: 65_534 }), { minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(
        head,
        chunk,
        fc.string(),
        routes,
        u32,
        whole,
        (segment, options, data, outputs, offset, before) => {
          const out = new ByteWriter(10)
          const made = textChunk(data, options)
          encodeEntry(out, made, made.entries(), outputs, { head: segment, offset, before, nowMs: 5 })
          const read = {} as EntryHead
          const bytes = out.buf.subarray(0, out.at)
          expect(decodeHead(bytes, 0, segment, offset, read)).toBe(true)
          expect(read).toMatchObject({
            dataBytes: made.size,
            count: options.count,
            before,
            storedMs: 5,
            routes: outputs.length,
          })
          expect(read.hasMetadata).toBe(options.hasMetadata)
          expect(isMetaWhole(bytes, HEAD_BYTES, read, segment.seed)).toBe(true)
          const { tag, input, origins } = options
          expect(decodeTexts(bytes, HEAD_BYTES, read)).toEqual({
            tag,
            input,
            id: made.id,
            origins,
            placesBytes: 0,
          })
          for (const output of [...outputs, 65_535])
            expect(hasRoute(bytes, HEAD_BYTES, read.routes, output)).toBe(output !== 65_535)
          expect(decodeHead(bytes, 0, segment, (offset ^ 1) >>> 0, read)).toBe(false)
          expect(decodeHead(bytes, 0, { ...segment, seed: (segment.seed ^ 1) >>> 0 }, offset, read)).toBe(
            false,
          )
          expect(decodeHead(bytes, 0, { ...segment, mark: (segment.mark ^ 1) >>> 0 }, offset, read)).toBe(
            false,
          )
        },
      ),
    )
  })

  test('reads states as they were written', () => {
    fc.assert(
      fc.property(
        text,
        whole,
        position,
        fc.array(position, { maxLength: 50 }),
        fc.option(fc.record({ before: whole, own: whole }), { nil: undefined }),
        (output, sequence, at, open, passed) => {
          const state = { position: at, open }
          const written = { passed, total: { before: sequence, own: 1 } }
          const slot = encodeSlot(output, sequence, state, written)
          expect(decodeSlot(Buffer.concat([slot, Buffer.alloc(9, 1)]))).toEqual({
            output,
            sequence,
            state,
            written,
          })
        },
      ),
    )
  })

  test('takes no header, footer, head or slot with a flipped bit', () => {
    const segment = { number: 7, before: 9, mark: 0x01020304, seed: 5, table: ['a', 'b'], beforeOf: [4, 6] }
    const header = encodeHeader(segment, 1)
    const total = { chunks: 1, records: 2, bytes: 3 }
    const footer = encodeFooter({ head: segment, end: 400, records: 3, totals: [total, total] })
    const slot = encodeSlot('a', 1, { position: { segment: 1, offset: 2 }, open: [] }, NO_STATE.written)
    const out = new ByteWriter(10)
    const made = textChunk('x')
    encodeEntry(out, made, made.entries(), [1], { head: segment, offset: 60, before: 1, nowMs: 5 })
    const entry = out.buf.subarray(0, HEAD_BYTES)
    const reads: [Buffer, (buf: Buffer) => unknown][] = [
      [header, (buf) => decodeHeader(buf, 0)],
      [footer, (buf) => decodeFooter(buf, 400 + footer.length)],
      [slot, (buf) => decodeSlot(buf)],
      [entry, (buf) => decodeHead(buf, 0, segment, 60, {} as EntryHead) || undefined],
    ]
    for (const [bytes, read] of reads) {
      expect(read(bytes)).toBeDefined()
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(bytes)
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
        expect(read(flipped)).toBeUndefined()
      }
    }
  })
})

describe('the state of an output', () => {
  test('with more open chunks than a file has room for has a lower position, and nothing is left out', () => {
    const open = Array.from({ length: 100_000 }, (_, i) => ({ segment: 1 + (i >> 10), offset: i }))
    const state = bounded({ position: { segment: 999, offset: 0 }, open })
    expect(state).toEqual({ position: open[MAX_OPEN] as never, open: open.slice(0, MAX_OPEN) })
    expect(encodeSlot('x'.repeat(4096), 1, state, NO_STATE.written).length).toBeLessThanOrEqual(65_536)
    expect(MAX_OPEN).toBeGreaterThan(3000)
  })

  test('is in a file whose name is safe and its own', () => {
    const names = ['a/b', 'a_b', '..', '.', '', 'é'.repeat(300), 'x'.repeat(300), '\0', '-rf']
    const files = names.map(stateFileName)
    expect(new Set(files).size).toBe(names.length)
    for (const file of files) {
      expect(file).toMatch(/^[A-Za-z0-9._-]+\.state$/)
      expect(Buffer.byteLength(file)).toBeLessThan(80)
    }
  })
})
