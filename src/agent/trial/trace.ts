import type { BufferSource } from '../../core/buffer-source.ts'
import { Chunk, headRoom, type Origin, TAIL_ROOM } from '../../core/chunk.ts'
import { JsonText } from '../../lib/json/msgpack-to-json.ts'
import { Entry } from '../../lib/records/entry.ts'

/** A record as text: its time in seconds with decimals, and its map as JSON. */
export interface TrialRecord {
  time: string
  json: string
}

/**
 * What a stage did with the records of one trace. `held`: kept until records that belong to them have come; they follow as
 * a trace of their own, or with a later record. `sent`: sent to a label, whose stages follow. `skipped`: they do not meet the condition of the stage. `failed`: the filter has given
 * a record up. `refused`: an output has not taken them.
 */
export interface TrialStep {
  stage: string
  effect: 'unchanged' | 'changed' | 'dropped' | 'held' | 'sent' | 'skipped' | 'failed' | 'output' | 'refused'
  /** Records after the stage. */
  records: TrialRecord[]
  /** What an output would do instead of sending, the label of `sent`, why it `failed`, or what the filter did without. */
  note?: string
  /** Output whose processor the stage is. */
  ofOutput?: string
  /** Names of the filters that have given the records another tag before the stage; undefined: none has. */
  way?: string | undefined
  /** The `way` of what was sent on under another tag. */
  newWay?: string
}

/** The way of one record through the stages. */
export interface Trace {
  /** Instance name of the input, or of the filter that sent the record on. */
  from: string
  tag: string
  record: TrialRecord
  steps: TrialStep[]
  /** Set for a record that a filter sent on after it had held others: their label, or true without one. */
  sentOn?: string | true
}

/** File name in the origin of a record's chunk, by which its trace is found. */
const TRACE = 'trace'

/** Collects what the stages do with the records. A chunk has one record when it comes from the input. */
export class Tracer {
  readonly traces: Trace[] = []
  #current: Trace | undefined

  /** Begins a trace; chunks with the returned origin belong to it. */
  begin(from: string, tag: string, record: TrialRecord, sentOn?: string | true): Origin {
    this.#current = { from, tag, record, steps: [], ...(sentOn === undefined ? {} : { sentOn }) }
    return originAt(this.traces.push(this.#current) - 1)
  }

  /** Returns the origin of chunks that belong to the same trace. */
  originOf(chunk: Chunk): Origin | undefined {
    const trace = this.#traceOf(chunk)
    return trace === undefined ? undefined : originAt(this.traces.indexOf(trace))
  }

  /** Records what a stage did with a chunk. One that the engine has copied belongs to the latest trace. */
  add(chunk: Chunk, step: TrialStep): void {
    const way = wayOf(chunk.rewrites)
    this.#traceOf(chunk)?.steps.push(way === undefined ? step : { ...step, way })
  }

  #traceOf(chunk: Chunk): Trace | undefined {
    const origin = chunk.origins.find(({ file }) => file === TRACE)
    return origin === undefined ? this.#current : this.traces[origin.offset]
  }
}

/** Returns the `way` of records to which these filters have given another tag, one after the other. */
export function wayOf(rewrites: readonly string[]): string | undefined {
  return rewrites.length === 0 ? undefined : JSON.stringify(rewrites)
}

function originAt(index: number): Origin {
  return { file: TRACE, offset: index, end: index + 1 }
}

const entry = new Entry()
const text = new JsonText()
text.escapesControls = true

/** Returns the records of a chunk as text. */
export function recordsOf(chunk: Chunk): TrialRecord[] {
  const records: TrialRecord[] = []
  for (let at = chunk.start; at < chunk.end; at = entry.end) {
    entry.read(chunk, at)
    text.reset()
    text.value(chunk.buf, entry.map)
    records.push({ time: entry.time.seconds(), json: text.bytes().toString() })
  }
  return records
}

/** Buffers outside of any memory limit. */
export const FREE_BUFFERS: BufferSource = {
  take: (bytes) => Buffer.allocUnsafe(bytes),
  force: (bytes) => Buffer.allocUnsafe(bytes),
  takeLongLived: (bytes) => Buffer.allocUnsafe(bytes),
  give() {},
}

/** Returns the record of one entry as text. */
export function recordOf(bytes: Buffer, tag: string): TrialRecord {
  const start = headRoom(tag)
  const buf = Buffer.allocUnsafe(start + bytes.length + TAIL_ROOM)
  bytes.copy(buf, start)
  const init = { tag, input: '', buf, start, end: start + bytes.length, count: 1, id: '', inputBytes: 0 }
  return recordsOf(new Chunk(init, FREE_BUFFERS))[0] as TrialRecord
}
