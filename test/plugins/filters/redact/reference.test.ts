import { expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import type { FilterContext } from '../../../../src/core/plugin.ts'
import { spec } from '../../../../src/plugins/filters/redact/index.ts'
import { TextScanner } from '../../../../src/plugins/filters/redact/text-scanner.ts'
import { chunkOf, LooseBuffers } from '../../../support/engine/chunk-of.ts'
import { fc } from '../../../support/property.ts'
import { PIECES, REFERENCE_KINDS, referenceHits } from '../../../support/redact.ts'

const text = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 3 })), { maxLength: 8 })
  .map((p) => p.join(''))

interface Hit {
  kind: string
  start: number
  end: number
}

function hitsOf(buf: Buffer, kinds: readonly string[]): Hit[] {
  const scanner = new TextScanner(new Set(kinds) as never)
  const hits: Hit[] = []
  for (let from = 0; from < buf.length && scanner.next(buf, from, 0, buf.length); from = scanner.end)
    hits.push({ kind: scanner.kind, start: scanner.start, end: scanner.end })
  return hits
}

/** True for the letter of an escape sequence, which is not part of an address behind it. */
function isEscapeLetter(buf: Buffer, at: number): boolean {
  return /^\\[nrtbfve]$/.test(buf.toString('latin1', at - 1, at + 1))
}

function isCovered(buf: Buffer, hits: readonly Hit[], start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    // A dot that is left between two addresses which overlap is no secret, nor is a blank behind a quotation mark that ends a value.
    if (buf[at] === 0x2e || buf[at] === 0x2d || buf[at] === 0x20 || isEscapeLetter(buf, at)) continue
    if (!hits.some((hit) => hit.start <= at && at < hit.end)) return false
  }
  return true
}

for (const kind of REFERENCE_KINDS)
  test(`redact covers each ${kind} that a slow reference finds`, () => {
    fc.assert(
      fc.property(text, (line) => {
        const buf = Buffer.from(line)
        const hits = hitsOf(buf, [kind])
        for (const { start, end } of referenceHits(buf.toString('latin1'), kind))
          expect([line, start, end, isCovered(buf, hits, start, end)]).toEqual([line, start, end, true])
      }),
      { numRuns: 2000, examples: [['"passwd":"dB'], ['"passwd":"db'], ['passwd: files']] },
    )
  })

function filterOf(buffers: LooseBuffers) {
  const ctx = { buffers, counters: { add() {} }, log: {} } as unknown as FilterContext
  return spec.create(parseOptions(spec.options, {}) as never, ctx)
}

test('redact changes nothing but the secrets, and the module finds all texts that have one', () => {
  const filler = Array.from({ length: 150 }, (_, i) => ({ log: `${'plain words of a line '.repeat(6)}${i}` }))
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 6 }), fc.nat(140), (lines, place) => {
      const mask = (line: string): Buffer => {
        const buf = Buffer.from(line)
        const parts: Buffer[] = []
        let from = 0
        for (const { kind, start, end } of hitsOf(buf, REFERENCE_KINDS)) {
          parts.push(buf.subarray(from, start), Buffer.from(`[REDACTED:${kind}]`))
          from = end
        }
        return Buffer.concat([...parts, buf.subarray(from)])
      }
      const records = lines.map((a, i) => ({ a, b: [i, 1.5, null], c: { d: a } }))
      const all = [...filler.slice(0, place), ...records, ...filler.slice(place)]
      const buffers = new LooseBuffers()
      const chunk = chunkOf(all, 'app', buffers)
      filterOf(buffers).apply(chunk, undefined as never)
      const expected = all.map((record) => {
        if (!('a' in record)) return record
        const masked = mask(record.a).toString()
        return { a: masked, b: record.b, c: { d: masked } }
      })
      const bodies = expected.map((record) => Buffer.from(encode(record)))
      let at = chunk.start
      for (const body of bodies) {
        at += 11
        expect(chunk.buf.toString('latin1', at, at + body.length)).toBe(body.toString('latin1'))
        at += body.length
      }
      expect([at, chunk.count, buffers.out.size]).toEqual([chunk.end, all.length, 1])
    }),
    { numRuns: 300 },
  )
})
