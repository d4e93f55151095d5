import { expect, test } from 'bun:test'
import { LinesKernel } from '../../../src/lib/wasm/lines-kernel.ts'
import { shortOrLong } from '../../support/long.ts'

const NONE = Buffer.alloc(0)
/** Entry with the time 0 and the map `{"n": float64}`, without the number. */
const HEAD = Buffer.from('92d700000000000000000081a16ecb', 'hex')
const kernel = new LinesKernel()

/** Returns the texts that the module writes for numbers. */
function written(numbers: readonly number[]): string[] {
  const chunk = Buffer.alloc((HEAD.length + 8) * numbers.length)
  for (const [i, n] of numbers.entries()) {
    const at = i * (HEAD.length + 8)
    HEAD.copy(chunk, at)
    chunk.writeDoubleBE(n, at + HEAD.length)
  }
  const parts = { infix: NONE, suffix: Buffer.from('\n'), pairs: [], omitted: [], undots: false }
  const time = {
    time: undefined,
    second: 'number',
    quoted: false,
    digits: 0,
    point: false,
    zone: false,
  } as const
  expect(kernel.use({ ...parts, ...time, hasIds: false })).toBe(true)
  kernel.setPrefix(NONE, 0, 0xffffffff)
  let text = ''
  for (let at = 0; at < chunk.length; at = kernel.consumed) {
    text += kernel.output.toString('latin1', 0, kernel.run(chunk, at, chunk.length, 1e9, 1000, NONE, 0))
    if (kernel.taken === 0) throw new Error(`the module stops at ${at}`)
  }
  return text
    .trimEnd()
    .split('\n')
    .map((line) => line.slice('{"n":'.length, -1))
}

/** Returns the text that String() has for a number, with `.0` where it looks like an integer. */
function expected(n: number): string {
  if (!Number.isFinite(n)) return 'null'
  const text = Object.is(n, -0) ? '-0' : String(n)
  return /[.e]/.test(text) ? text : `${text}.0`
}

function checkAll(numbers: readonly number[]): void {
  for (let i = 0; i < numbers.length; i += 1000) {
    const batch = numbers.slice(i, i + 1000)
    expect(written(batch)).toEqual(batch.map(expected))
  }
}

const view = new DataView(new ArrayBuffer(8))
function fromBits(bits: bigint): number {
  view.setBigUint64(0, bits)
  return view.getFloat64(0)
}

test('floats that are hard to write, or at a limit, have the text of the runtime', () => {
  checkAll([
    ...[
      0,
      -0,
      1,
      -1,
      0.1,
      0.3,
      2 / 3,
      1e21,
      1e22,
      123456789012345680000,
      1e-6,
      1e-7,
      9.5e-7,
      5e-324,
      1.5e300,
    ],
    ...[NaN, Infinity, -Infinity, 999999999.999999, 999999999.9999999, 1e9, 1e9 + 0.5, 2251799813685249.5],
    ...[
      9007199254740991,
      9007199254740992,
      9007199254740994,
      0.000001,
      0.0000015,
      9.995,
      2 ** 53 + 2,
      2 ** 60,
    ],
  ])
  const powers = Array.from({ length: 2045 }, (_, i) => BigInt(i + 1) << 52n)
  checkAll(powers.flatMap((bits) => [fromBits(bits - 1n), fromBits(bits), -fromBits(bits + 1n)]))
  checkAll(Array.from({ length: 60 }, (_, i) => Number(`1e${i - 30}`)).flatMap((n) => [n, n * 3, n / 3]))
})

test('floats of all sizes have the text of the runtime', () => {
  let state = 20261130
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const mixed = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d)
    return (mixed ^ (mixed >>> 12)) >>> 0
  }
  const kinds = [
    () => fromBits((BigInt(next()) << 32n) | BigInt(next())),
    () => next() / (next() + 1),
    () => (next() * 2 ** 20 + next()) / 10 ** (next() % 20),
    () => Math.round(next() / 1000) / 10 ** (next() % 10),
    () => (next() / 2 ** 32) * 10 ** ((next() % 60) - 20),
  ]
  const count = shortOrLong(50_000, 5_000_000)
  for (let i = 0; i < count; i += 1000)
    checkAll(Array.from({ length: 1000 }, (_, j) => (kinds[j % kinds.length] as () => number)()))
})
