import { expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { JsonTranscoder } from '../../../src/lib/json/json-to-msgpack.ts'
import { MetadataMerger } from '../../../src/lib/wasm/metadata-merger.ts'
import { shortOrLong } from '../../support/long.ts'

const merger = new MetadataMerger()
const HEAD = Buffer.from('92d7000000000000000000', 'hex')
const json = new JsonTranscoder()
const out = Buffer.alloc(64)

/** Returns what the module writes for the values of records, each its own object; stops at the first that it leaves out. */
function written(texts: readonly string[]): Buffer[] {
  const merge = { other: 'merge', stdout: 'merge', stderr: 'merge' } as const
  const form = { ...merge, starts: [], keepLog: false, trim: false, mergeKey: undefined }
  expect(merger.use({ ...form, pairs: Buffer.alloc(0) })).toBe(true)
  const entries = texts.map((text) => Buffer.concat([HEAD, encode({ log: `{"n":${text}}` })]))
  let at = 0
  for (const entry of entries) at += entry.copy(merger.input, at)
  const size = merger.run(0, at)
  const found: Buffer[] = []
  for (let p = 0; p < size; ) {
    // Entry head, a map of one pair, the key "n"; then one byte or a number whose size its first byte names.
    const value = p + HEAD.length + 3
    const end = value + sizeOf(merger.output[value] as number)
    found.push(Buffer.from(merger.output.subarray(value, end)))
    p = end
  }
  return found
}

function sizeOf(type: number): number {
  return (
    ({ 204: 2, 205: 3, 206: 5, 207: 9, 208: 2, 209: 3, 210: 5, 211: 9, 203: 9 } as Record<number, number>)[
      type
    ] ?? 1
  )
}

/** Returns the MessagePack of a text with a point or an exponent: the double that the runtime reads. */
function double(text: string): Buffer {
  const bytes = Buffer.alloc(9)
  bytes[0] = 0xcb
  bytes.writeDoubleBE(Number(text), 1)
  return bytes
}

function transcoded(text: string): Buffer {
  return Buffer.from(out.subarray(0, json.transcode(Buffer.from(text), 0, text.length, out, 0)))
}

function checkAll(texts: readonly string[]): void {
  for (let i = 0; i < texts.length; ) {
    const batch = texts.slice(i, i + fitting(texts, i))
    i += batch.length
    const found = written(batch)
    for (let j = 0; j < batch.length; j++) {
      const text = batch[j] as string
      const isDouble = /[.eE]/.test(text)
      const expected = isDouble ? double(text) : transcoded(text)
      if (found[j]?.equals(expected) !== true)
        throw new Error(`${text}: ${found[j]?.toString('hex')}, not ${expected.toString('hex')}`)
    }
  }
}

/** Returns how many texts from index `from` on fit the module, input and output. */
function fitting(texts: readonly string[], from: number): number {
  let bytes = 0
  let n = 0
  while (from + n < texts.length && n < 500 && bytes < 20_000) bytes += (texts[from + n++] as string).length
  return n
}

const bits = new DataView(new ArrayBuffer(8))
function fromBits(value: bigint): number {
  bits.setBigUint64(0, value)
  return bits.getFloat64(0)
}

function toBits(value: number): bigint {
  bits.setFloat64(0, value)
  return bits.getBigUint64(0)
}

/** Returns texts of a double and of what is half way to the next one, exactly and a little beside it. */
function halfway(value: number): string[] {
  const [low, high] = [exact(value), exact(fromBits(toBits(value) + 1n))]
  const power = Math.min(low.power, high.power) - 1
  const sum = low.digits * 10n ** BigInt(low.power - power) + high.digits * 10n ** BigInt(high.power - power)
  const half = sum / 2n
  const texts = [half - 1n, half, half + 1n].map((digits) => `${digits}e${power}`)
  // Cut to the lengths that logs have, and to those that 64 bits just hold.
  const cut = [15, 16, 17, 18, 19, 20, 21].map((n) => `${half}`.slice(0, n))
  const length = `${half}`.length
  return [...texts, ...cut.map((digits) => `${digits}e${power + length - digits.length}`)]
}

/** Returns a double as digits * 10^power, exactly. */
function exact(value: number): { digits: bigint; power: number } {
  const all = toBits(value)
  const exponent = Number((all >> 52n) & 0x7ffn)
  const fraction = all & 0xfffffffffffffn
  const mantissa = exponent === 0 ? fraction : fraction | (1n << 52n)
  const two = Math.max(exponent, 1) - 1075
  if (two >= 0) return { digits: mantissa << BigInt(two), power: 0 }
  return { digits: mantissa * 5n ** BigInt(-two), power: two }
}

const HARD = [
  ...[
    '1e22',
    '1e23',
    '9007199254740993.0',
    '0.1',
    '0.30000000000000004',
    '5e-324',
    '2.2250738585072011e-308',
  ],
  ...[
    '2.2250738585072014e-308',
    '1.7976931348623157e308',
    '4.9e-324',
    '2.4703282292062328e-324',
    '0e99999',
    '1e-99999',
  ],
  ...['123456789012345678901234567890', '9223372036854775807', '9223372036854775808', '-9223372036854775808'],
  ...[
    '18446744073709551615',
    '18446744073709551616',
    '-9223372036854775809',
    '19999999999999999999',
    '0e0',
    '-0',
    '-0.0',
  ],
  ...[
    '22.323896460701455',
    '1732190400.1234567',
    '1e-05',
    '1.7321904e+09',
    '6.02214076E+23',
    '1E5',
    '-0e-5',
    '0.000001',
  ],
  ...[
    '8.5e-05',
    '0.00000000000000000000012345',
    '100000000000000000000.5',
    `${'1'.repeat(400)}e-390`,
    `0.${'0'.repeat(400)}1`,
  ],
  ...[
    `1${'0'.repeat(300)}`,
    `0.1${'0'.repeat(50)}1`,
    `9007199254740993.${'0'.repeat(30)}1`,
    '9007199254740992.5',
  ],
  ...[
    '7450580596923828125e-27',
    '8388609e-24',
    '1.00000005960464477540',
    '4503599627475353.5',
    '9355950000000000000.00e0',
  ],
]

test('numbers that are hard to round, or at a limit, are written as the runtime reads them', () => {
  const powers = Array.from({ length: 2046 }, (_, i) => fromBits(BigInt(i + 1) << 52n))
  const near = powers.flatMap((n) => [n, fromBits(toBits(n) - 1n), fromBits(toBits(n) + 1n)])
  checkAll(HARD)
  checkAll(near.map((n) => (/[.e]/.test(`${n}`) ? `${n}` : `${n}.0`)))
  checkAll(powers.filter((_, i) => i % 8 === 0).flatMap(halfway))
})

/** Returns pseudo-random 32-bit numbers: the same in each run, and much faster than values made to be shrunk. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const mixed = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d)
    return (mixed ^ (mixed >>> 12)) >>> 0
  }
}

/** Forms in which programs write a number. */
function formsOf(next: () => number): string {
  const digits = (n: number): string =>
    Array.from({ length: n }, () => next() % 10)
      .join('')
      .replace(/^0+(?=\d)/, '')
  const kind = next() % 10
  if (kind < 2) return fixed(fromBits((BigInt(next()) << 32n) | BigInt(next())))
  if (kind < 4) return fixed((next() / 2 ** 32) * 10 ** ((next() % 30) - 12))
  if (kind < 6) return `${digits((next() % 12) + 1)}.${digits((next() % 19) + 1)}`
  if (kind === 6) return `${next() & 1 ? '-' : ''}${digits((next() % 22) + 1)}`
  if (kind === 7) return `${digits((next() % 19) + 1)}e${(next() % 96) - 66}`
  if (kind === 8) return `0.${'0'.repeat(next() % 12)}${digits((next() % 20) + 1)}`
  return halfway(Math.abs(fixedRange(next)))[next() % 10] as string
}

function fixed(value: number): string {
  return Number.isFinite(value) && /[.e]/.test(`${value}`) ? `${value}` : '0.5'
}

/** Returns a double with an exponent that the module has a power for. */
function fixedRange(next: () => number): number {
  return fromBits((BigInt(900 + (next() % 240)) << 52n) | (BigInt(next()) << 20n) | BigInt(next() >>> 12))
}

test(`${shortOrLong('50,000', '2 million')} numbers are written as the runtime reads them`, () => {
  const next = numbers(7)
  for (let left = shortOrLong(50_000, 2_000_000); left > 0; left -= 5000)
    checkAll(Array.from({ length: 5000 }, () => formsOf(next)))
}, 600_000)
