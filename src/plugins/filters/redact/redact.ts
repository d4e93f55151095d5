import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import { skip } from '../../../core/msgpack/encode.ts'
import { textHead } from '../../../core/msgpack/record.ts'
import type { Filter, FilterContext } from '../../../core/plugin.ts'
import { FailedRecords } from '../../../lib/plugin/failed-records.ts'
import { EntryOutput } from '../../../lib/records/entry-output.ts'
import {
  type SuspectScanner,
  type Suspects,
  sharedSuspectScanner,
} from '../../../lib/wasm/suspect-scanner.ts'
import { cardInNumber } from './card.ts'
import { EntryRedactor } from './entry-redactor.ts'
import type { RedactOptions } from './options.ts'
import { nameStrength } from './secrets.ts'
import { KINDS, suspectsOf, TextScanner } from './text-scanner.ts'

/** Chunks that are smaller are looked at text by text: the module is not worth its memory for those. */
const MIN_SCANNED_BYTES = 16_384
/** Bytes of the objects that are made for an entry with secrets, for each byte of it. */
const GARBAGE_PER_BYTE = 4
const UINT64 = 0xcf
const INT64 = 0xd3

/** Replaces secrets in the texts of records. */
export class Redact implements Filter {
  readonly #failures: FailedRecords
  readonly #ctx: FilterContext
  readonly #out: EntryOutput
  readonly #texts: TextScanner
  readonly #entries: EntryRedactor
  readonly #readsNames: boolean
  /** What chunks are searched for; undefined: each text is looked at. */
  readonly #suspects: Suspects | undefined
  #scanner: SuspectScanner | undefined
  /** The chunk, and where its entries stand: those before `#copied` are in the output, if it has begun. */
  #chunk: Chunk | undefined
  #hasBegun = false
  #copied = 0
  #dropped = 0
  /** Bytes of the entries of the chunk that had a secret. */
  #rewritten = 0
  /** The entry before which the output was copied up to last, and where that is in the output. */
  #markedEntry = 0
  #mark = 0
  /** Tokens of the chunk up to here have been passed; the entry that they are in, and the values that are left of it. */
  #token = 0
  #entry = 0
  #open = 0

  constructor(options: RedactOptions, ctx: FilterContext) {
    this.#failures = new FailedRecords(options.onError, ctx)
    this.#ctx = ctx
    const kinds = new Set(KINDS.filter((kind) => options.kind.some((name) => name.toLowerCase() === kind)))
    if (kinds.size === 0 && options.pattern.length === 0)
      throw new ShipperError(
        'E_CONFIG_BAD_VALUE',
        'there is no Kind and no Pattern, so nothing would be redacted',
        {
          option: 'kind',
        },
      )
    this.#texts = new TextScanner(kinds)
    this.#out = new EntryOutput(ctx.buffers)
    this.#entries = new EntryRedactor(options, kinds, this.#texts, this.#out, (at) => this.#copyTo(at), ctx)
    this.#readsNames = kinds.has('password') || kinds.has('key')
    this.#suspects = options.pattern.length > 0 ? undefined : suspectsOf(kinds)
  }

  async start(): Promise<void> {
    this.#entries.replacements.load()
  }

  check(): Promise<void> {
    return this.start()
  }

  apply(chunk: Chunk): void {
    this.#chunk = chunk
    this.#hasBegun = false
    this.#markedEntry = -1
    this.#dropped = this.#rewritten = 0
    this.#token = this.#entry = this.#copied = chunk.start
    this.#open = 0
    try {
      if (this.#suspects === undefined || chunk.size < MIN_SCANNED_BYTES) this.#lookAtAll(chunk)
      else this.#lookAtSuspects(chunk, this.#suspects)
      if (this.#hasBegun) {
        this.#out.copy(chunk.buf, this.#copied, chunk.end)
        this.#out.finish(chunk, chunk.count - this.#dropped)
      }
    } catch (error) {
      if (this.#hasBegun) this.#out.abandon()
      throw error
    } finally {
      this.#chunk = undefined
    }
    this.#entries.report(this.#ctx.counters)
    if (this.#rewritten > 0) this.#ctx.leftGarbage?.(this.#rewritten * GARBAGE_PER_BYTE)
  }

  #lookAtAll({ buf, start, end }: Chunk): void {
    for (let at = start; at < end; ) {
      const next = skip(buf, at, end)
      if (next < 0) {
        this.#malformed(at, end)
        return
      }
      this.#redact(buf, at, next)
      at = next
    }
  }

  /** Looks at the texts and numbers that may be secrets, and redacts the entries of those that are. */
  #lookAtSuspects({ buf, start, end }: Chunk, suspects: Suspects): void {
    this.#scanner ??= sharedSuspectScanner()
    const scanner = this.#scanner
    scanner.begin(suspects)
    let from = start
    for (;;) {
      const place = scanner.next(buf, from, end)
      if (place < 0) return
      const t = buf[place] as number
      if ((t === UINT64 || t === INT64) && (place + 9 > end || cardInNumber(buf, place) === undefined)) {
        from = place + 1
        continue
      }
      const next = this.#pass(buf, place, end)
      if (next < 0) {
        this.#malformed(this.#entry, end)
        return
      }
      if (!this.#isSecret(buf, place, next)) {
        // Within a text nothing else has to be looked at; elsewhere the next byte may begin one.
        from = textHead(buf, this.#token) > 0 && place >= this.#token ? next : place + 1
        continue
      }
      const last = skip(buf, this.#entry, end)
      if (last < 0) {
        this.#malformed(this.#entry, end)
        return
      }
      this.#redact(buf, this.#entry, last)
      from = this.#token = this.#entry = last
      this.#open = 0
    }
  }

  /** Passes tokens up to the one with the byte at `place`, and returns the offset after it; -1: they are no MessagePack. */
  #pass(buf: Buffer, place: number, end: number): number {
    for (;;) {
      const at = this.#token
      if (at >= end) return -1
      const t = buf[at] as number
      let inside = 0
      let next = at + 1
      if (t >= 0xa0 && t < 0xc0) next += t & 31
      else if (t >= 0x80 && t < 0xa0) inside = t < 0x90 ? (t & 15) * 2 : t & 15
      else if (t >= 0xdc && t <= 0xdf) {
        next = at + (t % 2 === 0 ? 3 : 5)
        if (next > end) return -1
        const n = next === at + 3 ? buf.readUInt16BE(at + 1) : buf.readUInt32BE(at + 1)
        inside = t >= 0xde ? n * 2 : n
      } else if (t >= 0xc0 && t < 0xe0) next = skip(buf, at, end)
      if (next < 0 || next > end) return -1
      if (next > place) return next
      if (this.#open === 0) this.#entry = at
      this.#open += this.#open === 0 ? inside : inside - 1
      this.#token = next
    }
  }

  /** True when the token that ends at `next` is, or has in it, a secret or the name of one. */
  #isSecret(buf: Buffer, place: number, next: number): boolean {
    if (this.#open === 0) this.#entry = this.#token
    const head = textHead(buf, this.#token)
    // The card number has been looked at.
    if (head < 0) return place === this.#token && (buf[place] === UINT64 || buf[place] === INT64)
    const start = this.#token + head
    if (this.#texts.next(buf, start, start, next)) return true
    return this.#readsNames && nameStrength(buf, start, next) !== undefined
  }

  #redact(buf: Buffer, at: number, end: number): void {
    try {
      if (!this.#entries.redact(buf, at, end)) return
      this.#copied = end
      this.#rewritten += end - at
    } catch (error) {
      if (!(error instanceof ShipperError)) throw error
      this.#failed(at, end, error)
    }
  }

  #malformed(at: number, end: number): void {
    this.#failed(at, end, new ShipperError('E_FILTER_FAILED', 'the record is not complete MessagePack'))
  }

  /** Does what On_Error says with an entry that cannot be redacted. */
  #failed(at: number, end: number, reason: ShipperError): void {
    // What of it is in the output already.
    if (this.#hasBegun && this.#markedEntry === at) this.#out.at = this.#mark
    if (this.#failures.handle(this.#chunk as Chunk, at, end, reason)) return
    this.#copyTo(at)
    this.#copied = end
    this.#dropped++
  }

  /** Copies the entries before `at` to the output, which begins here for the first one that is changed. */
  #copyTo(at: number): void {
    const chunk = this.#chunk as Chunk
    if (!this.#hasBegun) this.#out.begin(chunk, 0)
    this.#hasBegun = true
    this.#out.copy(chunk.buf, this.#copied, at)
    this.#copied = this.#markedEntry = at
    this.#mark = this.#out.at
  }
}
