import { expect, test } from 'bun:test'
import type { LineKernel } from '../../../src/core/parser.ts'
import type { ParserSpec } from '../../../src/core/plugin.ts'
import { sharedMetadataMerger } from '../../../src/lib/wasm/metadata-merger.ts'
import { EntryEncoder } from '../../../src/plugins/inputs/tail/file/entry-encoder.ts'
import { spec as json } from '../../../src/plugins/parsers/json.ts'
import { spec as logfmt } from '../../../src/plugins/parsers/logfmt.ts'
import { spec as regex } from '../../../src/plugins/parsers/regex.ts'
import { byParser } from '../../support/tail/kernels.ts'
import { parserOf } from '../../support/tail/parse-line.ts'

const TIME = { time_key: 'ts', time_format: '%H:%M:%S', time_keep: 'on' }
const KINDS = {
  regex: {
    spec: regex,
    options: { ...TIME, regex: '^(?<ts>\\S+) (?<n>\\d+) (?<text>.*)$', types: 'n:integer' },
    line: (i: number) => `10:00:${String(i % 60).padStart(2, '0')} ${i} text ${i}`,
  },
  json: {
    spec: json,
    options: TIME,
    line: (i: number) =>
      `{"ts":"10:00:${String(i % 60).padStart(2, '0')}","n":${i},"text":"text \\"${i}\\""}`,
  },
  logfmt: {
    spec: logfmt,
    options: { ...TIME, types: 'n:integer' },
    line: (i: number) => `ts=10:00:${String(i % 60).padStart(2, '0')} n=${i} text="text ${i}"`,
  },
}
const LINES = 300

function encoderOf({ spec, options }: { spec: unknown; options: object }): EntryEncoder {
  const parser = parserOf(spec as ParserSpec, options as never, '2026-11-29T12:00:00Z')
  const keys = { key: 'log', pathKey: 'file', idKey: undefined, offsetKey: 'offset' }
  const encoder = new EntryEncoder({ ...keys, parser }, { path: '/a.log', id: '1' })
  encoder.setTime(1_700_000_000, 5)
  return encoder
}

function kernelOf(encoder: EntryEncoder): LineKernel {
  encoder.missedBlock()
  const block = encoder.kernel(1 << 30)?.input ?? Buffer.alloc(0)
  return encoder.kernelOf(block, 10_000, false) as LineKernel
}

/** Does what the filter kubernetes does with a chunk. */
function mergeChunk(): void {
  const merger = sharedMetadataMerger()
  const stream = { other: 'merge', stdout: 'merge', stderr: 'merge' } as const
  const rest = { keepLog: false, trim: false, mergeKey: undefined, parsed: undefined }
  merger.use({ pairs: Buffer.from('\xa8metadata\xa1x', 'latin1'), starts: [0], ...stream, ...rest })
  const entry = Buffer.from('92d700000000010000000281a36c6f67a9', 'hex')
  const chunk = Buffer.concat(new Array(2000).fill(Buffer.concat([entry, Buffer.from('{"ts":12}')])))
  chunk.copy(merger.input)
  merger.run(0, Math.min(chunk.length, merger.input.length))
  expect(merger.records).toBeGreaterThan(1000)
}

for (const [name, kind] of Object.entries(KINDS))
  for (const [other, between] of Object.entries({
    'the filter kubernetes': mergeChunk,
    'another parser': () => {
      const wanted = name === 'logfmt' ? KINDS.json : KINDS.logfmt
      const kernel = kernelOf(encoderOf(wanted))
      expect(kernel.run(0, 0, 1000, 0)).toBe(0)
    },
  }))
    test(`${name}: a block is read on where it was when ${other} has used the module in between`, () => {
      const encoder = encoderOf(kind)
      const block = Buffer.from(Array.from({ length: LINES }, (_, i) => `${kind.line(i)}\n`).join(''))
      const kernel = kernelOf(encoder)
      block.copy(kernel.input)
      const made: Buffer[] = []
      for (let at = 0; at < block.length; ) {
        const size = kernel.run(at, block.length, 4000, 0)
        made.push(Buffer.from(kernel.output.subarray(0, size)))
        expect(kernel.consumed).toBeGreaterThan(at)
        at = kernel.consumed
        between()
      }
      expect(made.length).toBeGreaterThan(3)
      const { entries } = byParser(encoderOf(kind), block)
      expect(Buffer.concat(made).toString('latin1')).toBe(entries.toString('latin1'))
    })
