import type { Random } from './random.ts'

/** Numbers at which implementations differ from their intention. */
const NUMBERS = [
  0,
  1,
  -1,
  15,
  16,
  31,
  32,
  127,
  128,
  255,
  256,
  65_535,
  65_536,
  2 ** 31 - 1,
  -(2 ** 31),
  2 ** 32 - 1,
]
const BYTES = [0, 9, 10, 13, 32, 34, 92, 0x7f, 0x80, 0xc0, 0xc1, 0xdd, 0xdf, 0xff]
const DIGITS = [
  '0',
  '-1',
  '1e400',
  '4294967296',
  '9223372036854775807',
  '18446744073709551616',
  '00',
  '99999999999999999999',
]
const DIGIT_RUN = /\d+/g
const MAX_STEPS = 6
const MAX_REPEATS = 2000

export interface MutateOptions {
  corpus: readonly Buffer[]
  /** Texts of the format, as latin1. */
  dictionary: readonly string[]
  maxBytes: number
}

/** Returns a changed copy of an input of the corpus. */
export function mutate(random: Random, { corpus, dictionary, maxBytes }: MutateOptions): Buffer {
  let bytes: Buffer = Buffer.from(random.pick(corpus))
  for (let left = 1 + random.below(MAX_STEPS); left > 0; left--) {
    const change = random.pick(CHANGES)
    bytes = change(random, bytes, { corpus, dictionary, maxBytes }).subarray(0, maxBytes)
  }
  return bytes
}

type Change = (random: Random, bytes: Buffer, options: MutateOptions) => Buffer

const place = (random: Random, bytes: Buffer): number => random.below(bytes.length + 1)

/** Replaces bytes[at, to) by `inserted`. */
function replace(bytes: Buffer, at: number, to: number, inserted: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(to)])
}

const CHANGES: readonly Change[] = [
  function flipBit(random, bytes) {
    if (bytes.length === 0) return bytes
    const at = random.below(bytes.length)
    bytes[at] = (bytes[at] as number) ^ (1 << random.below(8))
    return bytes
  },
  function setByte(random, bytes) {
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.pick(BYTES)
    return bytes
  },
  function insertBytes(random, bytes) {
    const at = place(random, bytes)
    return replace(bytes, at, at, Buffer.from([random.pick(BYTES), random.below(256)].slice(random.below(2))))
  },
  function insertText(random, bytes, { dictionary }) {
    if (dictionary.length === 0) return bytes
    const at = place(random, bytes)
    return replace(bytes, at, at + random.pick([0, 0, 1, 4]), Buffer.from(random.pick(dictionary), 'latin1'))
  },
  function remove(random, bytes) {
    const at = place(random, bytes)
    return replace(bytes, at, at + 1 + random.below(random.pick([2, 8, 64])), Buffer.alloc(0))
  },
  function repeat(random, bytes, { maxBytes }) {
    const at = place(random, bytes)
    const unit = bytes.subarray(at, at + 1 + random.below(random.pick([1, 4, 40])))
    const times = Math.min(
      random.below(random.pick([4, 40, MAX_REPEATS])),
      Math.floor(maxBytes / (unit.length + 1)),
    )
    return replace(bytes, at, at, Buffer.concat(Array.from({ length: times }, () => unit)))
  },
  function cut(random, bytes) {
    return bytes.subarray(0, place(random, bytes))
  },
  function splice(random, bytes, { corpus }) {
    const other = random.pick(corpus)
    const from = random.below(other.length + 1)
    const part = other.subarray(from, from + 1 + random.below(200))
    const at = place(random, bytes)
    return replace(bytes, at, at + random.pick([0, part.length]), part)
  },
  function writeNumber(random, bytes) {
    const size = random.pick([1, 2, 4])
    if (bytes.length < size) return bytes
    const number = (random.pick(NUMBERS) + random.below(3) - 1) >>> 0
    const at = random.below(bytes.length - size + 1)
    const value = size === 4 ? number : number % 2 ** (8 * size)
    if (random.below(2) === 0) bytes.writeUIntBE(value, at, size)
    else bytes.writeUIntLE(value, at, size)
    return bytes
  },
  function changeDigits(random, bytes) {
    const runs = [...bytes.toString('latin1').matchAll(DIGIT_RUN)]
    if (runs.length === 0) return bytes
    const run = random.pick(runs)
    const text =
      random.below(2) === 0 ? random.pick(DIGITS) : String(random.below(10 ** (1 + random.below(9))))
    return replace(bytes, run.index, run.index + run[0].length, Buffer.from(text))
  },
]
