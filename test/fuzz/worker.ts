import { corpusOf, keep, writeFailure } from './corpus.ts'
import { Fuzzer } from './fuzzer.ts'
import { must } from './target.ts'
import { TARGETS } from './targets.ts'

/** What the worker is to do, sent once. */
export interface Order {
  names: readonly string[]
  seed: number
  endMs: number
  keeps: boolean
  /** The current input: a counter, the index of its target, its length, and from INPUT_AT on the bytes. */
  shared: SharedArrayBuffer
}

/** Message of the worker. */
export type Report = { ready: true } | { text: string } | { done: true; failures: number }

export const SHARED_BYTES = 1_048_576
export const INPUT_AT = 12
const SLICE_MS = 500
/** Growth of the heap, after a collection, from the first turn of all targets on. */
const MAX_GROWTH_BYTES = 150_000_000

async function work({ names, seed, endMs, keeps, shared }: Order): Promise<number> {
  const place = new Int32Array(shared, 0, 3)
  const bytes = new Uint8Array(shared, INPUT_AT)
  const targets = TARGETS.filter(({ name }) => names.includes(name))
  const fuzzers = targets.map((target, index) => {
    return new Fuzzer(target, corpusOf(target), seed, {
      onInput(input) {
        bytes.set(input.subarray(0, bytes.length))
        place[1] = index
        place[2] = Math.min(input.length, bytes.length)
        Atomics.add(place, 0, 1)
      },
      onNew: (input) => keeps && keep(target, input),
      onFailure: (input, reason) =>
        say(`FAILURE ${target.name}: ${reason}\n  ${writeFailure(target.name, input, reason)}`),
    })
  })
  let base: number | undefined
  while (Date.now() < endMs && fuzzers.some((one) => !one.isDone)) {
    for (const fuzzer of fuzzers) await slice(fuzzer, endMs)
    const heap = heapBytes()
    base ??= heap
    must(heap - base <= MAX_GROWTH_BYTES, () => `the heap has grown from ${base} to ${heap} bytes`)
  }
  for (const { target, runs, kinds, failures } of fuzzers) {
    say(
      `${target.name.padEnd(16)} ${String(runs).padStart(9)} inputs ${String(kinds).padStart(5)} kinds ${failures} failures`,
    )
    await target.close?.()
  }
  say(
    `heap: ${Math.round(heapBytes() / 1e6)} MB at the end, ${Math.round((base ?? 0) / 1e6)} MB after the first turn`,
  )
  return fuzzers.reduce((n, { failures }) => n + failures, 0)
}

async function slice(fuzzer: Fuzzer, endMs: number): Promise<void> {
  const untilMs = Math.min(endMs, Date.now() + SLICE_MS)
  do {
    if (fuzzer.isDone) return
    await fuzzer.next()
  } while (Date.now() < untilMs)
}

function heapBytes(): number {
  Bun.gc(true)
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

declare const self: Worker

function say(text: string): void {
  postMessage({ text } satisfies Report)
}

if (!Bun.isMainThread) {
  self.onmessage = async ({ data }: MessageEvent<Order>) => {
    try {
      postMessage({ done: true, failures: await work(data) } satisfies Report)
    } catch (error) {
      say(`FAILURE ${error instanceof Error ? error.message : String(error)}`)
      postMessage({ done: true, failures: 1 } satisfies Report)
    }
  }
  // A message before the imports are done would be lost.
  postMessage({ ready: true } satisfies Report)
}
