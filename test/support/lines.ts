import { decodeMulti } from '@msgpack/msgpack'
import { builtin } from '../../bench/parser-of.ts'
import { skip } from '../../src/core/msgpack/encode.ts'
import type { Appender, InputContext } from '../../src/core/plugin.ts'
import type { Sender } from '../../src/lib/lines/line-writer.ts'
import type { SenderFrame } from '../../src/lib/lines/sender-frame.ts'
import type { StreamReader } from '../../src/lib/lines/stream-reader.ts'

/** An appender in one large buffer, and the context of an input that writes to it. */
export class LineSink implements Sender {
  counts: Record<string, number> = {}
  readonly logged: string[] = []
  /** The fields of each line that was logged. */
  readonly fields: Record<string, unknown>[] = []
  nowMs = 1_700_000_000_000
  readonly ctx: InputContext
  frame!: SenderFrame
  /** Number of records for which there is memory; more are refused. */
  memory = Number.POSITIVE_INFINITY
  /** Number of times that space was asked for. */
  reservations = 0
  /** Bytes of input that became records, as the sender is told. */
  wroteBytes = 0
  readonly #out: Appender
  readonly #start: () => void

  constructor(bytes = 8_000_000) {
    const log = (message: string, fields: Record<string, unknown> = {}): void => {
      this.logged.push(message)
      this.fields.push(fields)
    }
    let records = 0
    this.#out = {
      tag: 't',
      buf: Buffer.alloc(bytes),
      end: 0,
      pendingBytes: 0,
      reserve: () => {
        this.reservations++
        return records < this.memory
      },
      addRecords: (n) => {
        records += n
      },
      addContributor() {},
      seal() {},
    }
    this.#start = () => {
      records = 0
    }
    this.ctx = {
      name: 'in.0',
      tag: 't',
      log: { error: log, warn: log, info: log, debug: log },
      clock: { nowMs: () => this.nowMs, after: () => undefined as never, cancel() {} },
      counters: {
        add: (name: string, n = 1, reason?: string) => {
          const key = reason === undefined ? name : `${name}.${reason}`
          this.counts[name] = (this.counts[name] ?? 0) + n
          if (reason !== undefined) this.counts[key] = (this.counts[key] ?? 0) + n
        },
        get: (name: string) => this.counts[name] ?? 0,
      },
      appender: () => this.#out,
      sealAll() {},
      parser: (name: string) => builtin(name, { time_keep: 'on' }),
    } as unknown as InputContext
  }

  /** Forgets everything that was written. */
  reset(): void {
    this.#out.end = this.wroteBytes = 0
    this.counts = {}
    this.logged.length = this.fields.length = 0
    this.#start()
  }

  wrote(_: Appender, bytes: number): void {
    this.wroteBytes += bytes
  }

  /** Returns the entries written so far. */
  get entries(): [time: unknown, record: Record<string, unknown>][] {
    return [...decodeMulti(this.#out.buf.subarray(0, this.#out.end))] as [unknown, Record<string, unknown>][]
  }

  get bytes(): Buffer {
    return Buffer.from(this.#out.buf.subarray(0, this.#out.end))
  }

  get records(): Record<string, unknown>[] {
    return this.entries.map(([, record]) => record)
  }
}

/** Returns the number of entries; unlike a decoder it takes those that have no equal in JavaScript. */
export function countEntries(bytes: Buffer): number {
  let count = 0
  for (let at = 0; at < bytes.length; count++) {
    const next = skip(bytes, at, bytes.length)
    if (next <= at) throw new Error(`the entry at ${at} is not complete`)
    at = next
  }
  return count
}

/** Offers pieces to a reader as a connection does: what is not consumed comes again, with the next piece behind it. */
export function feed(reader: StreamReader, pieces: readonly Uint8Array[], isEnded = true): Buffer {
  let rest: Buffer = Buffer.alloc(0)
  pieces.forEach((piece, i) => {
    const src = Buffer.concat([rest, piece])
    const isLast = isEnded && i === pieces.length - 1
    const at = reader.read(src, 0, src.length, isLast)
    if (at < 0 || at > src.length) throw new Error(`a reader consumed ${at} of ${src.length} bytes`)
    rest = src.subarray(at)
  })
  return rest
}

/** Cuts bytes into pieces of these lengths, repeated. */
export function cutInto(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = Math.max(1, lengths[i % lengths.length] ?? bytes.length)
    pieces.push(bytes.subarray(at, at + length))
    at += length
  }
  return pieces.length === 0 ? [bytes] : pieces
}
