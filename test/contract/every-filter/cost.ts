import type { Chunk } from '../../../src/core/chunk.ts'
import { encodeStr, writeMapHead } from '../../../src/core/msgpack/encode.ts'
import { cpuMs } from '../../support/cpu.ts'
import { mapOfPairs, type RawPair } from '../../support/records/raw-record.ts'
import type { FilterCase } from './cases.ts'
import { hostileChunk, rawPair } from './hostile.ts'
import type { ContractRun } from './run.ts'

const SMALL = 4000
/** Eight times as many keys: work that grows with their square takes 64 times as long. */
const LARGE = 32_000
/** Half way between linear and quadratic on a scale of ratios, with room for what memory and the runtime add. */
export const MAX_RATIO = 28
const RUNS = 4
/** Time for which the smaller record is filtered at least, so that the clock can tell it from nothing. */
const MIN_MS = 2

const VALUE = encodeStr('value')

/** Records of `n` keys, by what is large in them. */
export function shapesOf({ keys }: FilterCase): Record<string, (n: number) => RawPair[]> {
  const [first = 'log'] = keys
  const key = first.replace('*', '')
  const prefix = keys.find((name) => name.endsWith('*'))?.slice(0, -1) ?? 'k8s_'
  const distinct = (n: number, start = 'key'): RawPair[] =>
    Array.from({ length: n }, (_, i) => rawPair(`${start}${i}`, VALUE))
  const repeated = (n: number, name: string): RawPair[] =>
    Array.from({ length: n }, (_, i) => rawPair(name, i % 2 === 0 ? VALUE : encodeStr('other')))
  return {
    'different keys': (n) => distinct(n),
    'keys with the prefix': (n) => distinct(n, prefix),
    'a key again and again': (n) => repeated(n, key),
    'another key again and again': (n) => repeated(n, 'other'),
    'keys with long heads': (n) => distinct(n).map(({ key: name = '' }) => rawPair(name, VALUE, 2)),
    'a map': (n) => [rawPair(key, mapOfPairs(distinct(n)))],
    'a map with a key again and again': (n) => [rawPair('nested', mapOfPairs(repeated(n, 'a')))],
    'a list': (n) => [rawPair(key, listOf(n))],
  }
}

function listOf(n: number): Buffer {
  const head = Buffer.alloc(5)
  writeMapHead(head, 0, n)
  // The same head as that of a map, with the type of a list.
  head[0] = n < 0x10000 ? 0xdc : 0xdd
  return Buffer.concat([head.subarray(0, n < 0x10000 ? 3 : 5), ...new Array<Buffer>(n).fill(VALUE)])
}

/** Returns how many times as much CPU time a record of 32,000 keys takes as one of 4,000. */
export function costRatio(run: ContractRun, tag: string, shape: (n: number) => RawPair[]): number {
  const [small, large] = [SMALL, LARGE].map((n) => hostileChunk([{ pairs: shape(n) }], run.buffers, tag))
  const once = (chunk: Chunk, times: number): number => {
    const copies = Array.from({ length: times }, () => chunk.copy('id'))
    const start = cpuMs()
    for (const copy of copies) run.applyOnly(copy)
    const used = cpuMs() - start
    for (const copy of copies) copy.release()
    return used / times
  }
  let times = 1
  while (once(small as Chunk, times) * times < MIN_MS && times < 64) times *= 2
  let ratio = Number.POSITIVE_INFINITY
  // The best of several: the collector and the compiler may run during any of them.
  for (let i = 0; i < RUNS && ratio > MAX_RATIO / 2; i++) {
    const cheap = Math.max(once(small as Chunk, times), 0.001)
    ratio = Math.min(ratio, once(large as Chunk, Math.max(1, times >> 3)) / cheap)
  }
  return ratio
}
