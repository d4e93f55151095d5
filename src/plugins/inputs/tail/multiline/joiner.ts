import type { Appender, InputContext } from '../../../../core/plugin.ts'
import type { Clock } from '../../../../core/services.ts'
import { LineClassifier } from '../../../../lib/multiline/classifier.ts'
import type { LinePlace } from '../../../../lib/multiline/held-lines.ts'
import { type LineRole, NO_RECORD } from '../../../../lib/multiline/state-machine.ts'
import type { TailCounters } from '../counters.ts'
import {
  EntryEncoder,
  type EntryFormat,
  type FileNames,
  hasFileFields,
  NO_NAMES,
} from '../file/entry-encoder.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { TailOptions } from '../options.ts'
import { ParseFailures } from '../reading/parse-failures.ts'
import { type JoinRule, joinRulesOf } from './join-rules.ts'
import { type Line, LineDecoder, type RecordEncoders } from './line-decoder.ts'
import { OpenRecord, OpenRecords } from './open-records.ts'
import { PositionHold } from './position-hold.ts'

interface JoinerOptions {
  rules: JoinRule[]
  format: Omit<EntryFormat, 'parser'>
  /** Maximum bytes of one record; a record that reaches it is sent, and the lines after it start another. */
  limitBytes: number
  ctx: InputContext
  failures: ParseFailures
}

/** Maximum memory of all open records together; beyond it the one that grows is sent. */
const MAX_OPEN_BYTES = 4_000_000
const DEFAULT_FLUSH_MS = 1000
/** Maximum time in which a record waits for lines that are there and were not read yet, as on a busy machine. */
const MAX_BEHIND_MS = 10_000
/** A timer that is later than this was held up: events may wait as well. */
const LATE_MS = 20

/**
 * Joins lines of each file and stream into records. Reads a line by the rule whose format it has (the
 * container format seen last first), then asks the state machines for its role relative to the open record.
 */
export class Joiner {
  readonly #options: JoinerOptions
  readonly #clock: Clock
  readonly #counters: TailCounters
  readonly #classifier: LineClassifier
  readonly #matchesRawLine: boolean
  /** True when the line has to be parsed or joined. */
  readonly #expectsParser: boolean
  /** Flush time of lines that no rule reads. */
  readonly #flushMs: number
  readonly #records = new WeakMap<TailFile, OpenRecords>()
  /** Files with open records. */
  readonly #open = new Map<TailFile, OpenRecords>()
  readonly #decoder: LineDecoder
  /** Encoders shared by all files, when records do not name their file. */
  readonly #sharedEncoders: RecordEncoders | undefined
  #openBytes = 0
  /**
   * True when more of the file, or of the one that continues it, is to be read now. `isLate`: the timer was, as nothing
   * could run.
   */
  isBehind: (file: TailFile, isLate: boolean) => boolean = () => false
  #timer: ReturnType<Clock['after']> | undefined
  /** Time at which the timer is due. */
  #timerMs = 0

  constructor(options: JoinerOptions) {
    this.#options = options
    this.#clock = options.ctx.clock
    this.#counters = options.ctx.counters
    const machines = options.rules.flatMap(({ machine, parser }) =>
      machine === undefined ? [] : [{ machine, ownLinesOnly: parser !== undefined }],
    )
    this.#classifier = new LineClassifier(machines)
    this.#matchesRawLine = options.rules.some((rule) => rule.matchesRawLine)
    this.#expectsParser =
      machines.length < options.rules.length || options.rules.every((rule) => rule.parser !== undefined)
    this.#flushMs = options.rules.find(({ machine }) => machine !== undefined)?.flushMs ?? DEFAULT_FLUSH_MS
    this.#sharedEncoders = hasFileFields(options.format) ? undefined : this.#encodersFor(NO_NAMES)
    this.#decoder = new LineDecoder(options.rules, options.format, options.ctx.buffers)
  }

  /** Returns the open records of a file, empty ones at first. Looked up once per block, not per line. */
  recordsOf(file: TailFile): OpenRecords {
    const known = this.#records.get(file)
    if (known !== undefined) return known
    const { openedAs: path, id } = file.identity
    const { encoders, plain } = this.#sharedEncoders ?? this.#encodersFor({ path, id })
    const records = new OpenRecords(encoders, plain)
    this.#records.set(file, records)
    return records
  }

  #encodersFor(names: FileNames): RecordEncoders {
    const { rules, format } = this.#options
    const encoders = rules.map(({ parser }) =>
      parser === undefined ? undefined : new EntryEncoder({ ...format, parser }, names),
    )
    for (const encoder of encoders) if (encoder?.entry !== undefined) encoder.entry.completeOnly = true
    return { encoders, plain: new EntryEncoder({ ...format, parser: undefined }, names) }
  }

  /**
   * Returns the encoder to use on the fast path: only while no record is open and nothing but partial lines
   * is joined, and only if they are partial by the same sign for the rule and the encoder.
   */
  fastPathEncoder(records: OpenRecords): EntryEncoder | undefined {
    if (records.byStream.size > 0 || !this.#classifier.isEmpty) return undefined
    const encoder = records.encoders[this.#decoder.lastContainer]
    const rule = this.#options.rules[this.#decoder.lastContainer]
    return encoder?.entry?.form === rule?.name.toLowerCase() ? encoder : undefined
  }

  /**
   * Takes the line src[start, end), which starts at `offset` of the file. `extent`: see `BlockEncoder.writeLine`. Returns false, and changes nothing,
   * when `out` has no space for the records that it completes.
   */
  push(
    file: TailFile,
    records: OpenRecords,
    out: Appender,
    src: Buffer,
    start: number,
    end: number,
    offset: number,
    extent = 0,
  ): boolean {
    const line = this.#decoder.read(records, src, start, end, offset)
    let record = records.byStream.get(line.stream)
    const continuesLine = record?.joined.isMidLine === true && line.valueAt >= 0
    const raw = this.#matchesRawLine ? src.toString('latin1', start, end) : undefined
    const role = continuesLine ? 'join' : this.#roleOf(record, line, raw)
    const { state, machine, rivals, keepsHeld } = this.#classifier
    if (!out.reserve((record?.joined.bound ?? 0) + line.size + 16, 0)) return false
    if (line.isUntimed) this.#options.failures.recordUntimed(file, { src, start, end, offset })
    if (record !== undefined && role !== 'join' && role !== 'last') {
      if (role === 'hold' && this.#hold(record, line, rivals, file.placeOf(offset, extent))) return true
      if (keepsHeld) record.joined.keepHeld()
      this.#emit(records, line.stream, record, out)
      record = undefined
    }
    if (record !== undefined && this.#tooLarge(record, line)) {
      this.#counters.add('multiline_truncated')
      record.joined.keepHeld()
      this.#emit(records, line.stream, record, out)
      record = undefined
    }
    if (record === undefined) {
      if (!line.isPartial && role !== 'start' && role !== 'join') {
        this.#copyAlone(file, line, out, offset, extent)
        if (line.rule === undefined && this.#expectsParser)
          this.#options.failures.recordUnparsed(file, { src, start, end, offset })
        return true
      }
      record = this.#begin(file, records, line, offset, extent)
    } else {
      const before = record.joined.memoryBytes
      record.joined.append(this.#decoder.entry, line.textAt, line.textEnd)
      if (file.hasPlaces) record.joined.extendByLine(file.placeSource, offset, extent)
      this.#openBytes += record.joined.memoryBytes - before
    }
    if (!continuesLine) {
      const isHeld = role === 'hold'
      record.state = isHeld ? NO_RECORD : state
      record.machine = isHeld ? undefined : machine
      record.rivals = isHeld ? undefined : rivals
    }
    record.joined.isMidLine = line.isPartial
    record.grownMs = this.#clock.nowMs()
    const ends = role === 'last' || (record.machine === undefined && !line.isPartial)
    // The space reserved above is enough for both.
    if (ends && !line.isPartial) this.#emit(records, line.stream, record, out)
    return true
  }

  /** True when the file has an open record. */
  hasOpen(file: TailFile): boolean {
    return this.#open.has(file)
  }

  /** Sends the open records of the file. False when `out` has no space now. */
  flush(file: TailFile, out: Appender): boolean {
    const records = this.#open.get(file)
    if (records === undefined) return true
    for (const [stream, record] of records.byStream) {
      if (!out.reserve(record.joined.bound, 0)) return false
      this.#emit(records, stream, record, out)
    }
    return true
  }

  /** Gives the lines of open records that have this source another one: the next run would take it for that of another content. */
  renameSource(before: string, after: string): void {
    for (const { byStream } of this.#open.values())
      for (const { place, joined } of byStream.values())
        for (const one of [place, ...joined.heldPlaces]) if (one?.source === before) one.source = after
  }

  /** Moves the open records of a rotated file to its successor, where their next lines are expected. */
  handOver(from: TailFile, to: TailFile): void {
    this.#move(from, to)?.addFile(to, to.cursor.offset)
  }

  /** Makes `copy`, an unread copy of what was read of a file, go on where that was read to, with its open records. */
  continueInCopy(from: TailFile, copy: TailFile): void {
    const { commitLimit } = from.acks
    const hold = commitLimit === undefined ? undefined : this.#move(from, copy)
    from.handOver(copy, from.cursor.offset, hold === undefined ? undefined : commitLimit)
    if (commitLimit !== undefined) hold?.replaceFile(from, copy, commitLimit)
  }

  /** Moves the open records; returns what holds back the positions, if there are any. */
  #move(from: TailFile, to: TailFile): PositionHold | undefined {
    const open = this.#open.get(from)
    if (open === undefined || from.tag !== to.tag) return undefined
    const next = this.recordsOf(to)
    if (next.byStream.size > 0) return undefined
    for (const [stream, record] of open.byStream) {
      next.byStream.set(stream, record)
      open.byStream.delete(stream)
      this.#open.set(to, next)
    }
    next.hold = open.hold
    open.hold = undefined
    return next.hold
  }

  /** Drops open records at the end of the run; the next run reads their lines again. */
  close(): void {
    this.#clock.cancel(this.#timer)
    for (const records of this.#open.values()) {
      for (const { joined } of records.byStream.values()) joined.release()
      records.byStream.clear()
      records.hold?.release()
    }
    this.#open.clear()
    this.#decoder.close()
  }

  /**
   * Returns the role of the line: by the machine of the open record, else by the first for which the line
   * starts one.
   */
  #roleOf(record: OpenRecord | undefined, line: Line, raw: string | undefined): LineRole {
    if (line.valueAt < 0 || this.#classifier.isEmpty) return this.#classifier.classifyTextless()
    if (raw !== undefined) return this.#classifier.classify(record, raw, line.rule?.machine)
    const newline = this.#decoder.entry[line.matchEnd - 1] === 10 ? 1 : 0
    const text = this.#decoder.entry.toString('latin1', line.matchAt, line.matchEnd - newline)
    return this.#classifier.classify(record, text, line.rule?.machine, newline === 1)
  }

  /**
   * Holds a line that may belong to the record. Returns false when the record cannot take another line or as
   * many bytes.
   */
  #hold(record: OpenRecord, line: Line, rivals: OpenRecord['rivals'], place: LinePlace | undefined): boolean {
    if (line.isPartial || this.#tooLarge(record, line)) return false
    const before = record.joined.memoryBytes
    if (!record.joined.hold(this.#decoder.entry, 0, line.size, line, place)) return false
    record.rivals = rivals
    this.#openBytes += record.joined.memoryBytes - before
    return true
  }

  #tooLarge(record: OpenRecord, line: Line): boolean {
    const more = line.textEnd - line.textAt
    return (
      record.joined.sizeWithHeld + more > this.#options.limitBytes || this.#openBytes + more > MAX_OPEN_BYTES
    )
  }

  #begin(file: TailFile, records: OpenRecords, line: Line, offset: number, extent: number): OpenRecord {
    const flushMs = line.rule?.flushMs ?? this.#flushMs
    const record = new OpenRecord(this.#decoder.entry, line, flushMs, this.#options.ctx.buffers)
    record.place = file.placeOf(offset, 0)
    if (extent > 0) record.joined.beginWithPart(extent)
    records.hold ??= new PositionHold()
    records.hold.begin(file, offset)
    this.#openBytes += record.joined.memoryBytes
    records.byStream.set(line.stream, record)
    this.#open.set(file, records)
    if (this.#timer === undefined) this.#flushAfter(flushMs)
    return record
  }

  #copyAlone(file: TailFile, line: Line, out: Appender, offset: number, extent: number): void {
    out.end += this.#decoder.entry.copy(out.buf, out.end, 0, line.size)
    const { places } = out
    places?.add(file.sourceIn(places), offset, 0, extent)
    out.addRecords(1, 0)
    if (file.needsJoin()) out.addContributor(file)
  }

  #emit(records: OpenRecords, stream: string, record: OpenRecord, out: Appender): void {
    this.#openBytes -= record.joined.memoryBytes
    records.byStream.delete(stream)
    const { records: count } = record.joined
    out.end = record.joined.write(out.buf, out.end)
    this.#addPlaces(record, out)
    out.addRecords(count, 0)
    record.joined.release()
    if (records.hold?.end(out)) records.hold = undefined
  }

  #addPlaces({ place, joined }: OpenRecord, { places }: Appender): void {
    if (places === undefined || place === undefined) return
    places.add(places.sourceIndex(place.source), place.offset, 0, joined.extent)
    for (const held of joined.heldPlaces)
      if (held !== undefined) places.add(places.sourceIndex(held.source), held.offset, 0, held.extent)
  }

  /** Sends the records that have not grown within their flush time. */
  #flushDue(): void {
    this.#timer = undefined
    const nowMs = this.#clock.nowMs()
    const isLate = nowMs - this.#timerMs > LATE_MS
    let nextMs = Number.POSITIVE_INFINITY
    for (const [file, records] of this.#open) {
      const isDue = [...records.byStream.values()].some((one) => one.grownMs + one.flushMs <= nowMs)
      const isBehind = isDue && this.isBehind(file, isLate)
      for (const [stream, record] of records.byStream) {
        // What came after it has been read for that long.
        const isPassed = file.cursor.lastReadMs >= record.grownMs + record.flushMs
        const waitMs = isBehind && !isPassed ? Math.max(record.flushMs, MAX_BEHIND_MS) : record.flushMs
        const dueMs = record.grownMs + waitMs - nowMs
        // It is due as soon as the file has been read to its end.
        const leftMs = dueMs > 0 && waitMs > record.flushMs ? Math.min(dueMs, record.flushMs) : dueMs
        const out = leftMs > 0 ? undefined : this.#options.ctx.appender(file.tag)
        if (out?.reserve(record.joined.bound, 0)) this.#emit(records, stream, record, out)
        else nextMs = Math.min(nextMs, leftMs > 0 ? leftMs : DEFAULT_FLUSH_MS)
      }
      if (records.byStream.size === 0) this.#open.delete(file)
    }
    // Looking for more may have moved records to another file.
    if (this.#open.size > 0) nextMs = Math.min(nextMs, DEFAULT_FLUSH_MS)
    if (nextMs < Number.POSITIVE_INFINITY) this.#flushAfter(nextMs)
  }

  #flushAfter(ms: number): void {
    this.#timerMs = this.#clock.nowMs() + ms
    this.#timer = this.#clock.after(ms, () => this.#flushDue())
  }
}

/** Builds the joiner of the options; undefined when each line is a record. Throws E_CONFIG_BAD_VALUE. */
export function makeJoiner(options: TailOptions, ctx: InputContext): Joiner | undefined {
  const rules = joinRulesOf(options, ctx)
  if (rules.length === 0) return undefined
  const { key, pathKey, fileIdKey: idKey, offsetKey } = options
  return new Joiner({
    rules,
    format: { key, pathKey, idKey, offsetKey },
    limitBytes: ctx.multilineBytes,
    ctx,
    failures: new ParseFailures({
      parser: rules.flatMap(({ name, parser }) => (parser === undefined ? [] : [name])).join(', '),
      key,
      counters: ctx.counters,
      log: ctx.log,
      clock: ctx.clock,
    }),
  })
}
