import { readFileSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { writeFailure } from './corpus.ts'
import { runTarget } from './fuzzer.ts'
import { TARGETS } from './targets.ts'
import { INPUT_AT, type Order, type Report, SHARED_BYTES } from './worker.ts'

/**
 * `npm run fuzz -- --minutes N [--target NAME] [--seed S] [--keep]` gives mutations of the corpus to everything that reads
 * bytes from outside. `--keep` adds small inputs with a new kind of behavior to the corpus. `--replay FILE` runs one input;
 * the name of its folder is the target, unless `--target` names one.
 *
 * A worker runs the targets, so that one that never returns is seen: the run then ends, with the input in a file.
 */
const HANG_MS = 60_000
const LOOK_MS = 1000
const DEFAULT_MINUTES = 1

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    target: { type: 'string', multiple: true },
    seed: { type: 'string' },
    keep: { type: 'boolean', default: false },
    replay: { type: 'string' },
  },
})
const known = TARGETS.map(({ name }) => name)
const names = known.filter((name) => values.target?.includes(name) ?? true)
const unknown = values.target?.filter((name) => !known.includes(name)) ?? []
if (unknown.length > 0) fail(`no target ${unknown.join(', ')}; the targets are ${known.join(', ')}`)

if (values.replay === undefined) fuzz()
else await replay(resolve(values.replay), values.target?.[0])

async function replay(path: string, name = basename(dirname(path))): Promise<void> {
  const target = TARGETS.find((one) => one.name === name)
  if (target === undefined) fail(`--replay needs --target NAME; the targets are ${known.join(', ')}`)
  process.stdout.write(`${name}: ${await runTarget(target, readFileSync(path))}\n`)
  await target.close?.()
}

function fuzz(): void {
  const seed = Number(values.seed ?? Date.now() % 1_000_000)
  const minutes = Number(values.minutes ?? DEFAULT_MINUTES)
  if (!(minutes > 0 && Number.isInteger(seed))) fail('--minutes needs a number and --seed a whole one')
  const shared = new SharedArrayBuffer(SHARED_BYTES)
  const order: Order = { names, seed, endMs: Date.now() + minutes * 60_000, keeps: values.keep, shared }
  process.stdout.write(`seed ${seed}, ${names.length} targets, ${minutes} minutes\n`)
  const worker = new Worker(new URL('worker.ts', import.meta.url).href)
  worker.onmessage = ({ data }: MessageEvent<Report>) => {
    if ('ready' in data) worker.postMessage(order)
    else if ('text' in data) process.stdout.write(`${data.text}\n`)
    else process.exit(data.failures > 0 ? 1 : 0)
  }
  worker.onerror = ({ message }) => end(shared, `the worker ended: ${message}`)
  watch(shared)
}

/** Ends the run when one input takes too long. */
function watch(shared: SharedArrayBuffer): void {
  const place = new Int32Array(shared, 0, 3)
  let [seen, sinceMs] = [0, performance.now()]
  setInterval(() => {
    const count = Atomics.load(place, 0)
    if (count !== seen) [seen, sinceMs] = [count, performance.now()]
    else if (performance.now() - sinceMs > HANG_MS) end(shared, `does not return within ${HANG_MS / 1000} s`)
  }, LOOK_MS)
}

function end(shared: SharedArrayBuffer, reason: string): never {
  const [, index = 0, length = 0] = new Int32Array(shared, 0, 3)
  const name = names[index] ?? 'unknown'
  const input = Buffer.from(new Uint8Array(shared, INPUT_AT, length))
  process.stdout.write(`FAILURE ${name}: ${reason}\n  ${writeFailure(name, input, reason)}\n`)
  process.exit(1)
}

function fail(text: string): never {
  process.stderr.write(`${text}\n`)
  process.exit(64)
}
