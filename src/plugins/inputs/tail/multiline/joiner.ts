import type { Appender, InputContext } from '../../../../core/plugin.ts'
import type { Clock, Counters } from '../../../../core/services.ts'
import { LineClassifier } from '../../../../lib/multiline/classifier.ts'
import type { LineRole } from '../../../../lib/multiline/state-machine.ts'
import {
  EntryEncoder,
  type FileNames,
  hasFileFields,
  type LineFormat,
  NO_NAMES,
} from '../file/entry-encoder.ts'
import type { TailFile } from '../file/tail-file.ts'
import type { TailOptions } from '../options.ts'
import { type JoinRule, joinRulesOf } from './join-rules.ts'
import { type Line, LineDecoder, type RecordEncoders } from './line-decoder.ts'
import { OpenRecord, OpenRecords } from './open-records.ts'
import { PositionHold } from './position-hold.ts'

interface JoinerOptions {
  joiners: JoinRule[]
  format: Omit<LineFormat, 'parser'>
  /** Most bytes of one record; a group that reaches it is sent, and what follows begins another. */
  limitBytes: number
  ctx: InputContext
}

/** All open groups together may hold as much; beyond it the one that grows is sent. */
const OPEN_BYTES = 4_000_000
const SOON_MS = 1000

/**
 * Joins lines of each file and stream to records. Reads a line by the joiner whose form it has (a container's first),
 * then lets the machines say what it is to the group before it.
 */
export class Joiner {
  readonly #o: JoinerOptions
  readonly #clock: Clock
  readonly #counters: Counters
  readonly #decider: LineClassifier
  readonly #ofLine: boolean
  /** Of lines that no joiner reads. */
  readonly #flushMs: number
  readonly #records = new WeakMap<TailFile, OpenRecords>()
  /** Files with open records. */
  readonly #open = new Map<TailFile, OpenRecords>()
  readonly #lines: LineDecoder
  /** Where records tell nothing of their file, all files have the same. */
  readonly #shared: RecordEncoders | undefined
  #heldBytes = 0
  #timer: ReturnType<Clock['after']> | undefined

  constructor(options: JoinerOptions) {
    this.#o = options
    this.#clock = options.ctx.clock
    this.#counters = options.ctx.counters
    const machines = options.joiners.flatMap(({ machine, parser }) =>
      machine === undefined ? [] : [{ machine, ownLinesOnly: parser !== undefined }],
    )
    this.#decider = new LineClassifier(machines)
    this.#ofLine = options.joiners.some(({ ofLine }) => ofLine)
    this.#flushMs = options.joiners.find((j) => j.machine !== undefined)?.flushMs ?? SOON_MS
    this.#shared = hasFileFields(options.format) ? undefined : this.#writersOf(NO_NAMES)
    this.#lines = new LineDecoder(options.joiners, options.format, options.ctx.buffers)
  }

  /** Returns the open records of a file, empty ones at first. Looked up once per block, not per line. */
  recordsOf(file: TailFile): OpenRecords {
    const known = this.#records.get(file)
    if (known !== undefined) return known
    const { openedAs: path, id } = file.identity
    const { writers, plain } = this.#shared ?? this.#writersOf({ path, id })
    const records = new OpenRecords(writers, plain)
    this.#records.set(file, records)
    return records
  }

  #writersOf(names: FileNames): RecordEncoders {
    const { joiners, format } = this.#o
    const writers = joiners.map(({ parser }) =>
      parser === undefined ? undefined : new EntryEncoder({ ...format, parser }, names),
    )
    for (const writer of writers) if (writer?.entry !== undefined) writer.entry.completeOnly = true
    return { writers, plain: new EntryEncoder({ ...format, parser: undefined }, names) }
  }

  /** The writer whose lines the kernel may write: nothing is open, and nothing but parts of lines is joined. */
  usual(groups: OpenRecords): EntryEncoder | undefined {
    if (groups.byStream.size > 0 || !this.#decider.isEmpty) return undefined
    return groups.writers[this.#lines.container]
  }

  /**
   * Takes the line src[start, end), which begins at `offset` of the file. False: there is no room for what it makes, and
   * nothing has changed.
   */
  push(
    file: TailFile,
    groups: OpenRecords,
    out: Appender,
    src: Buffer,
    start: number,
    end: number,
    offset: number,
  ): boolean {
    const line = this.#lines.read(groups, src, start, end, offset)
    let group = groups.byStream.get(line.stream)
    const joins = group?.joined.midLine === true && line.valueAt >= 0
    const raw = this.#ofLine ? src.toString('latin1', start, end) : undefined
    const verdict = joins ? 'join' : this.#verdict(group, line, raw)
    const { state, machine } = this.#decider
    if (!out.reserve((group?.joined.bound ?? 0) + line.size + 16, 0)) return false
    if (group !== undefined && verdict !== 'join' && verdict !== 'last') {
      this.#emit(groups, line.stream, group, out)
      group = undefined
    }
    if (group !== undefined && this.#tooLarge(group, line)) {
      this.#counters.add('multiline_truncated')
      this.#emit(groups, line.stream, group, out)
      group = undefined
    }
    if (group === undefined) {
      if (!line.isPart && verdict !== 'start' && verdict !== 'join') {
        this.#alone(file, line, out)
        return true
      }
      group = this.#begin(file, groups, line, offset)
    } else {
      const before = group.joined.held
      group.joined.append(this.#lines.entry, line.textAt, line.textEnd)
      this.#heldBytes += group.joined.held - before
    }
    if (!joins) {
      group.state = state
      group.machine = machine
    }
    group.joined.midLine = line.isPart
    group.grownMs = this.#clock.nowMs()
    const ends = verdict === 'last' || (group.machine === undefined && !line.isPart)
    // There is room for both, see above.
    if (ends && !line.isPart) this.#emit(groups, line.stream, group, out)
    return true
  }

  /** Sends what is open of the file. False: there is no room for it now. */
  flush(file: TailFile, out: Appender): boolean {
    const groups = this.#open.get(file)
    if (groups === undefined) return true
    for (const [stream, group] of groups.byStream) {
      if (!out.reserve(group.joined.bound, 0)) return false
      this.#emit(groups, stream, group, out)
    }
    return true
  }

  /** The file goes on in another one: what is open is joined with what comes there. */
  handOver(from: TailFile, to: TailFile): void {
    const open = this.#open.get(from)
    if (open === undefined || from.tag !== to.tag) return
    const next = this.recordsOf(to)
    if (next.byStream.size > 0) return
    for (const [stream, group] of open.byStream) {
      next.byStream.set(stream, group)
      open.byStream.delete(stream)
      this.#open.set(to, next)
    }
    next.chain = open.chain
    open.chain = undefined
    next.chain?.hold(to, to.cursor.offset)
  }

  /** The run is over: what is open is read again by the next one. */
  close(): void {
    this.#clock.cancel(this.#timer)
    for (const groups of this.#open.values()) {
      for (const { joined } of groups.byStream.values()) joined.drop()
      groups.byStream.clear()
      groups.chain?.release()
    }
    this.#open.clear()
    this.#lines.close()
  }

  /** By the machine that the group is in, else by the first for which the line begins one. */
  #verdict(group: OpenRecord | undefined, line: Line, raw: string | undefined): LineRole {
    if (line.valueAt < 0 || this.#decider.isEmpty) return this.#decider.alone()
    if (raw !== undefined) return this.#decider.decide(group, raw, line.joiner?.machine)
    const newline = this.#lines.entry[line.matchEnd - 1] === 10 ? 1 : 0
    const text = this.#lines.entry.toString('latin1', line.matchAt, line.matchEnd - newline)
    return this.#decider.decide(group, text, line.joiner?.machine)
  }

  #tooLarge(group: OpenRecord, line: Line): boolean {
    const more = line.textEnd - line.textAt
    return group.joined.size + more > this.#o.limitBytes || this.#heldBytes + more > OPEN_BYTES
  }

  #begin(file: TailFile, groups: OpenRecords, line: Line, offset: number): OpenRecord {
    const flushMs = line.joiner?.flushMs ?? this.#flushMs
    const group = new OpenRecord(this.#lines.entry, line, flushMs, this.#o.ctx.buffers)
    groups.chain ??= new PositionHold()
    groups.chain.begin(file, offset)
    this.#heldBytes += group.joined.held
    groups.byStream.set(line.stream, group)
    this.#open.set(file, groups)
    this.#timer ??= this.#clock.after(flushMs, () => this.#due())
    return group
  }

  #alone(file: TailFile, line: Line, out: Appender): void {
    out.end += this.#lines.entry.copy(out.buf, out.end, 0, line.size)
    out.commit(1, 0)
    if (file.needsJoin()) out.addContributor(file)
  }

  #emit(groups: OpenRecords, stream: string, group: OpenRecord, out: Appender): void {
    this.#heldBytes -= group.joined.held
    groups.byStream.delete(stream)
    out.end = group.joined.write(out.buf, out.end)
    out.commit(1, 0)
    group.joined.drop()
    if (groups.chain?.end(out)) groups.chain = undefined
  }

  /** Sends the groups that have not grown for their time. */
  #due(): void {
    this.#timer = undefined
    const nowMs = this.#clock.nowMs()
    let nextMs = Number.POSITIVE_INFINITY
    for (const [file, groups] of this.#open) {
      for (const [stream, group] of groups.byStream) {
        const leftMs = group.grownMs + group.flushMs - nowMs
        const out = leftMs > 0 ? undefined : this.#o.ctx.appender(file.tag)
        if (out?.reserve(group.joined.bound, 0)) this.#emit(groups, stream, group, out)
        else nextMs = Math.min(nextMs, leftMs > 0 ? leftMs : SOON_MS)
      }
      if (groups.byStream.size === 0) this.#open.delete(file)
    }
    if (nextMs < Number.POSITIVE_INFINITY) this.#timer = this.#clock.after(nextMs, () => this.#due())
  }
}

/** Undefined: each line is a record. Throws E_CONFIG_BAD_VALUE. */
export function makeJoiner(o: TailOptions, ctx: InputContext): Joiner | undefined {
  const joiners = joinRulesOf(o, ctx)
  if (joiners.length === 0) return undefined
  return new Joiner({
    joiners,
    format: { key: o.key, pathKey: o.pathKey, idKey: o.fileIdKey, offsetKey: o.offsetKey },
    limitBytes: ctx.multilineBytes,
    ctx,
  })
}
