import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encode } from '@msgpack/msgpack'
import { Chunk } from '../../../src/core/chunk.ts'
import { Places } from '../../../src/core/places.ts'
import type { Ack } from '../../../src/core/plugin.ts'
import { Watermark } from '../../../src/core/watermark.ts'
import { S3Failure } from '../../../src/plugins/outputs/s3/answers.ts'
import type { S3Api } from '../../../src/plugins/outputs/s3/api.ts'
import { Journal, type ObjectRow, type UploadedPart } from '../../../src/plugins/outputs/s3/journal.ts'
import { KeyFormat } from '../../../src/plugins/outputs/s3/key-format.ts'
import type { ObjectKey } from '../../../src/plugins/outputs/s3/object-key.ts'
import { ObjectKeys } from '../../../src/plugins/outputs/s3/object-keys.ts'
import type { Found } from '../../../src/plugins/outputs/s3/proof.ts'
import { S3 } from '../../../src/plugins/outputs/s3/s3.ts'
import { DestinationState } from '../../../src/plugins/outputs/s3/state.ts'
import { ObjectText } from '../../../src/plugins/outputs/s3/text.ts'
import { listLog, unlimitedAccount } from '../engine/chunks.ts'
import { outputContext } from '../engine/output-context.ts'
import { atEnd } from '../tmp.ts'

/** Where a step is interrupted: nothing of it is done, it is done and nobody knows, or it is done later. */
export type Cut = 'before' | 'after' | 'late'

/** Time runs faster, so that waits and ages take milliseconds. */
const SPEED = 100
const MINUTE_MS = 60_000

/** A bucket whose requests may be interrupted. It outlives the agents that use it. */
export class Bucket {
  readonly objects = new Map<string, Buffer>()
  /** Ids that were stored with objects. */
  readonly objectIds = new Map<string, string | undefined>()
  readonly uploads = new Map<string, { key: ObjectKey; parts: Map<number, Buffer> }>()
  /** Lines of all objects that ever were there. */
  readonly seen = new Set<string>()
  /** Number of objects that were not written, as others had their keys. */
  refused = 0
  /** Number of times that an object was written over another one. */
  overwritten = 0
  #ids = 0
  /** What requests that were on their way at a kill do later. */
  readonly #late: (() => void)[] = []

  /** Does a part of what was on its way. */
  arrive(random: () => number): void {
    for (const apply of this.#late.splice(0)) if (random() < 0.7) apply()
  }

  later(apply: () => void): void {
    this.#late.push(apply)
  }

  put({ key, isNew, objectId }: ObjectKey, body: Buffer): void {
    if (this.objects.has(key)) {
      if (isNew) this.refuse()
      this.overwritten++
    }
    this.objects.set(key, body)
    for (const line of body.toString().split('\n')) this.seen.add(line)
    this.objectIds.set(key, objectId)
  }

  refuse(): never {
    this.refused++
    throw failure('exists')
  }

  create(key: ObjectKey): string {
    const id = `u${++this.#ids}`
    this.uploads.set(id, { key, parts: new Map() })
    return id
  }

  part(id: string, number: number, body: Buffer): string {
    const upload = this.uploads.get(id)
    if (upload === undefined) throw failure('gone')
    upload.parts.set(number, body)
    return `"${number}"`
  }

  complete(id: string, parts: readonly UploadedPart[]): void {
    const upload = this.uploads.get(id)
    if (upload === undefined) throw failure('gone')
    if (upload.key.isNew && this.objects.has(upload.key.key)) this.refuse()
    const bytes = parts.map(({ number }) => upload.parts.get(number))
    if (bytes.includes(undefined)) throw failure('refused')
    this.uploads.delete(id)
    this.put(upload.key, Buffer.concat(bytes as Buffer[]))
  }

  find({ key, isUnique, objectId }: ObjectKey): Found {
    if (!this.objects.has(key)) return 'none'
    return this.objectIds.get(key) === objectId ? 'own' : isUnique ? 'unknown' : 'other'
  }

  /** Lines of all objects. */
  lines(): string[] {
    return [...this.objects.values()].flatMap((body) =>
      body
        .toString()
        .split('\n')
        .filter((line) => line !== ''),
    )
  }
}

function failure(kind: 'exists' | 'gone' | 'refused' | 'later', mayBeDone = false): S3Failure {
  const name = kind === 'exists' ? 'PreconditionFailed' : kind
  return new S3Failure(kind, { name, class: 'unknown' }, `double: ${kind}`, '', { mayBeDone })
}

/** A file that is read in order, from its stored position; each line is a record. */
interface Source {
  name: string
  tag: string
  watermark: Watermark
  stored: number
  read: number
}

export interface WorldInit {
  random: () => number
  sources: { name: string; tag: string; records: number }[]
  partBytes?: number
  totalBytes?: number
  usesPutObject?: boolean
  /** Share of the requests that fail, and may have been carried out. */
  failures?: number
  /** S3_Key_Format with Static_File_Path. */
  fixedKey?: string
  /** S3_Key_Format without it. */
  keyFormat?: string
  /** The account may not ask whether objects exist. */
  isBlind?: boolean
}

/** An agent with one output s3 that can be killed at each of its steps, and started again. */
export class World {
  readonly bucket = new Bucket()
  readonly folder = mkdtempSync(join(tmpdir(), 's3-model-'))
  readonly sources: Source[]
  /** Number of steps (requests and writes of the journal) so far in this run. */
  steps = 0
  ends: number[] = []
  known = 0
  readonly #init: WorldInit
  #cut: { step: number; how: Cut } | undefined
  #epoch = 0
  #killed: () => void = () => {}
  /** Writes of the journal that are under way. */
  readonly #writes = new Set<Promise<unknown>>()

  constructor(init: WorldInit) {
    this.#init = init
    this.sources = init.sources.map(({ name, tag }) => ({
      ...{ name, tag, stored: 0, read: 0 },
      watermark: new Watermark(0),
    }))
    atEnd(() => rmSync(this.folder, { recursive: true, force: true }))
  }

  /** All records, as the lines that they become. */
  expected(): string[] {
    return this.#init.sources.flatMap(({ name, records }) =>
      Array.from({ length: records }, (_, i) => lineOf(name, i)),
    )
  }

  /** Runs the agent until a cut, or until it has nothing to do. Returns true when everything was acknowledged. */
  async run(cut?: { step: number; how: Cut }): Promise<boolean> {
    this.#cut = cut
    this.steps = 0
    this.#epoch++
    const controller = new AbortController()
    const killed = new Promise<'killed'>((resolve) => {
      this.#killed = () => resolve('killed')
    })
    const output = this.#output(controller.signal)
    const done = this.#work(output).then(() => 'done' as const)
    const how = await Promise.race([killed, done])
    this.#epoch++
    // A process that is gone writes nothing beside the next one: what it had begun was done before.
    await Promise.allSettled(this.#writes)
    this.#writes.clear()
    const isComplete = this.sources.every(
      ({ watermark }, i) => watermark.position === this.#init.sources[i]?.records,
    )
    if (how === 'done') {
      controller.abort()
      await output.close()
    }
    for (const source of this.sources) {
      // The last positions are perhaps not stored.
      if (this.#init.random() < 0.5) source.stored = source.watermark.position
      source.watermark = new Watermark(source.stored)
      source.read = source.stored
    }
    this.bucket.arrive(this.#init.random)
    return isComplete
  }

  async #work(output: S3): Promise<void> {
    await this.#retry(() => output.start())
    const { random } = this.#init
    const flushes: Promise<void>[] = []
    const epoch = this.#epoch
    while (this.#epoch === epoch) {
      const chunk = this.#nextChunk()
      if (chunk === undefined) break
      flushes.push(this.#retry(() => output.flush(chunk)))
      if (flushes.length > 3 || random() < 0.3) await Promise.all(flushes.splice(0))
      if (random() < 0.1) await new Promise((resolve) => setTimeout(resolve, 2))
    }
    await Promise.all(flushes)
    await output.finish()
    // An agent whose records were aborted is started again.
  }

  async #retry(run: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await run()
      } catch (error) {
        if (!(error as { retryable?: boolean }).retryable) throw error
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    }
  }

  /** Returns a chunk with records of the sources of one tag, in runs; undefined when everything was read. */
  #nextChunk(): Chunk | undefined {
    const { random } = this.#init
    const left = this.sources.filter((source, i) => source.read < (this.#init.sources[i]?.records ?? 0))
    const first = left[Math.floor(random() * left.length)]
    if (first === undefined) return undefined
    const places = new Places()
    const entries: Buffer[] = []
    const settles: Ack[] = []
    for (const source of left.filter(({ tag }) => tag === first.tag)) {
      const { records } = this.#init.sources.find(({ name }) => name === source.name) as { records: number }
      const count = Math.min(records - source.read, 1 + Math.floor(random() * 5))
      const order = Array.from({ length: count }, (_, i) => source.read + i)
      // A record that was joined from several lines comes behind those that were read after its first line.
      if (count > 2 && random() < 0.3) order.push(...order.splice(0, 1))
      for (const i of order) {
        // Two records are made of every seventh place.
        const isSecond = i % 7 === 1
        places.add(places.sourceIndex(source.name), isSecond ? i - 1 : i, isSecond ? 1 : 0)
        entries.push(
          Buffer.from(encode([1_700_000_000 + i, { m: `${source.name}:${i}`, pad: 'x'.repeat(20) }])),
        )
      }
      source.read += count
      const ticket = source.watermark.open(source.read)
      const { watermark } = source
      settles.push((outcome) => {
        if (outcome !== 'aborted') watermark.settle(ticket)
      })
    }
    const bytes = Buffer.concat(entries)
    const account = unlimitedAccount()
    const buf = account.force(bytes.length)
    bytes.copy(buf)
    const init = {
      tag: first.tag,
      input: 'tail.0',
      id: `${this.#epoch}.${first.read}`,
      inputBytes: 0,
      places,
    }
    const chunk = new Chunk({ ...init, buf, start: 0, end: bytes.length, count: entries.length }, account)
    this.#acks.set(chunk, (outcome) => {
      for (const settle of settles) settle(outcome)
    })
    return chunk
  }

  readonly #acks = new WeakMap<Chunk, Ack>()

  #output(signal: AbortSignal): S3 {
    const epoch = this.#epoch
    const clock = {
      nowMs: () => performance.now() * SPEED,
      after: (ms: number, fn: () => void) =>
        // Rows are kept for a minute, within which inputs store their positions: the model does not wait for that.
        setTimeout(
          () => {
            if (this.#epoch === epoch) fn()
          },
          ms < MINUTE_MS ? ms / SPEED : ms,
        ),
      cancel: (handle: unknown) => clearTimeout(handle as ReturnType<typeof setTimeout>),
    }
    const counters = {
      add: (name: string, n = 1) => {
        if (name === 'known_records') this.known += n
      },
      get: () => 0,
    }
    const ctx = outputContext({ signal, clock, log: listLog().log, counters: counters as never })
    const late = {
      memoryBytes: 50_000_000,
      takeOver: (chunk: Chunk): Ack => {
        this.#taken.add(chunk)
        const ack = this.#acks.get(chunk) as Ack
        return (outcome) => {
          if (this.#epoch === epoch) ack(outcome)
        }
      },
      readAgainBy: () => 'input' as const,
      settling: () => () => true,
      peerFailed: () => {},
      endRun: (status: number) => this.ends.push(status),
    }
    const { partBytes = 300, totalBytes = 1500, usesPutObject = false } = this.#init
    const journal = new CutJournal(this.folder, (run) => this.#step(epoch, run, true))
    const { fixedKey, keyFormat = '/logs/$TAG' } = this.#init
    const output = new S3(ctx, late, {
      api: this.#api(epoch) as unknown as S3Api,
      state: new DestinationState(journal, { ...ctx, late }),
      text: new ObjectText({ jsonDateKey: 'false', jsonDateFormat: 'double', logKey: undefined }, ctx),
      keys: new ObjectKeys(new KeyFormat(fixedKey ?? keyFormat, '.'), fixedKey !== undefined, journal),
      ...{ compress: undefined, partBytes, usesPutObject, totalBytes },
      // An age that no run reaches, also on a busy machine: an object of the last run whose records do not come for that long is made
      // without the others, and when its answer is lost these may be in two objects.
      timeoutMs: 3_000_000,
      close: async () => {},
    })
    // A chunk whose records are all in objects of the last run settles with its flush.
    const flush = output.flush.bind(output)
    output.flush = async (chunk) => {
      await flush(chunk)
      if (!this.#taken.has(chunk) && this.#epoch === epoch) this.#acks.get(chunk)?.('delivered')
    }
    return output
  }

  readonly #taken = new WeakSet<Chunk>()

  /** Runs one step of the agent; at the cut the agent is killed there, and the step never ends. */
  async #step<T>(epoch: number, apply: () => T, isWrite = false): Promise<T> {
    await new Promise((resolve) => setImmediate(resolve))
    if (this.#epoch !== epoch) return new Promise<T>(() => {})
    const n = ++this.steps
    if (this.#cut?.step === n) {
      const { how } = this.#cut
      // A process that is gone writes nothing to its disk.
      if (isWrite && how !== 'before') await apply()
      else if (how === 'after') attempt(apply)
      else if (how === 'late') this.bucket.later(() => attempt(apply))
      this.#epoch++
      this.#killed()
      return new Promise<T>(() => {})
    }
    const result = apply()
    if (isWrite) this.#writes.add(Promise.resolve(result))
    return result
  }

  #api(epoch: number): Record<string, unknown> {
    const { bucket } = this
    const request = <T>(apply: () => T): Promise<T> => {
      const { failures = 0, random } = this.#init
      const fate = random() < failures ? random() : 1
      return this.#step(epoch, () => {
        if (fate < 0.5) throw failure('later', true)
        const result = apply()
        // The answer is lost.
        if (fate < 1) throw failure('later', true)
        return result
      })
    }
    return {
      putObject: (key: ObjectKey, body: Buffer[]) => {
        const bytes = Buffer.concat(body)
        return request(() => bucket.put(key, bytes))
      },
      createUpload: (key: ObjectKey) => request(() => bucket.create(key)),
      uploadPart: (_: string, id: string, number: number, body: Buffer[]) => {
        const bytes = Buffer.concat(body)
        return request(() => bucket.part(id, number, bytes))
      },
      completeUpload: (_: ObjectKey, id: string, parts: UploadedPart[]) =>
        request(() => bucket.complete(id, parts)),
      abortUpload: (_: string, id: string) => request(() => void bucket.uploads.delete(id)),
      uploadsOf: (key: string) =>
        request(() => [...bucket.uploads].filter(([, upload]) => upload.key.key === key).map(([id]) => id)),
      find: (key: ObjectKey) => request(() => (this.#init.isBlind ? 'unknown' : bucket.find(key))),
    }
  }
}

function attempt(apply: () => unknown): void {
  try {
    apply()
  } catch {
    // The one who would have heard of it is gone.
  }
}

/** A journal whose writes are steps. */
class CutJournal extends Journal {
  readonly #step: <T>(apply: () => T) => Promise<T>

  constructor(folder: string, step: <T>(apply: () => T) => Promise<T>) {
    super(folder, listLog().log)
    this.#step = step
  }

  override async put(id: number, row: ObjectRow, ids?: Buffer): Promise<void> {
    await await this.#step(() => super.put(id, row, ids))
  }
}

export function lineOf(source: string, i: number): string {
  return JSON.stringify({ m: `${source}:${i}`, pad: 'x'.repeat(20) })
}
