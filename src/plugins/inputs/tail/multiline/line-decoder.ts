import type { BufferSource } from '../../../../core/buffer-source.ts'
import { skip } from '../../../../core/msgpack/encode.ts'
import { entryMap, findKey, mapBody, mapPairs, spanOf } from '../../../../core/msgpack/record.ts'
import { placeOf } from '../../../../lib/multiline/joined-record.ts'
import { viewOf } from '../../../../lib/text/data-views.ts'
import { type EntryEncoder, extraPairsOf, type LineFormat } from '../file/entry-encoder.ts'
import type { JoinRule } from './join-rules.ts'

/** Encoders of one file, or of all where records do not name their file. */
export interface RecordEncoders {
  /** One for each joiner, in their order; undefined for a joiner without parser. */
  readonly writers: readonly (EntryEncoder | undefined)[]
  /** Encoder of lines that no joiner reads. */
  readonly plain: EntryEncoder
}

/** The line at hand, as an entry in `entry[0, size)`. */
export interface Line {
  joiner: JoinRule | undefined
  size: number
  /** The value of the text, with its head; -1: there is none, the entry is a record of its own. */
  valueAt: number
  textAt: number
  textEnd: number
  /** What the machines look at: the text, or the value of the joiner's pattern. */
  matchAt: number
  matchEnd: number
  stream: string
  isPart: boolean
}

/** Turns a line into an entry of its own, from which the text is taken that is joined. */
export class LineDecoder {
  /** Holds the last line that was read. */
  entry: Buffer
  /** The container whose form the last line had, of whatever file: all logs of a node are of one. Tried first. */
  container = 0
  readonly #joiners: readonly JoinRule[]
  /** Of the text of a line that no joiner reads. */
  readonly #key: Buffer
  readonly #buffers: BufferSource
  readonly #extraPairs: number
  #view: DataView

  constructor(joiners: readonly JoinRule[], format: Omit<LineFormat, 'parser'>, buffers: BufferSource) {
    const { key } = format
    this.#joiners = joiners
    this.#key = Buffer.from(key)
    this.#extraPairs = extraPairsOf(format)
    this.#buffers = buffers
    this.entry = buffers.takeLongLived(65_536)
    this.#view = viewOf(this.entry)
  }

  close(): void {
    this.#buffers.give(this.entry)
  }

  /** Reads the line src[start, end), which begins at `offset` of its file, by the first joiner whose form it has. */
  read(groups: RecordEncoders, src: Buffer, start: number, end: number, offset: number): Line {
    const joiners = this.#joiners
    for (let n = 0; n < joiners.length; n++) {
      const i = (this.container + n) % joiners.length
      const writer = groups.writers[i]
      if (writer === undefined) continue
      this.#fit(writer.bound(end - start))
      const size = writer.parsed(this.entry, 0, src, start, end, offset)
      if (size < 0) continue
      const joiner = joiners[i] as JoinRule
      if (joiner.isPart !== undefined) this.container = i
      return this.#locate(joiner, size)
    }
    this.#fit(groups.plain.bound(end - start))
    const size = groups.plain.write(this.entry, this.#view, 0, src, start, end, offset)
    return this.#locate(undefined, size)
  }

  /** Finds the text and the stream in the entry. */
  #locate(joiner: JoinRule | undefined, size: number): Line {
    const entry = this.entry
    const map = entryMap(entry, 0, size)
    const valueAt =
      joiner !== undefined && joiner.content === undefined
        ? this.#lastValue(map, size)
        : findKey(entry, map, size, joiner?.content ?? this.#key)
    const text = placeOf(entry, valueAt)
    const line: Line = {
      joiner,
      size,
      valueAt: text?.valueAt ?? -1,
      textAt: text?.textAt ?? 0,
      textEnd: text?.textEnd ?? 0,
      matchAt: text?.textAt ?? 0,
      matchEnd: text?.textEnd ?? 0,
      stream: '',
      isPart: false,
    }
    if (joiner === undefined || text === undefined) return line
    const stream = this.#valueOf(map, size, joiner.group)
    if (stream !== undefined) line.stream = entry.toString('latin1', stream.start, stream.end)
    const pattern = this.#valueOf(map, size, joiner.pattern)
    const [from, to] = pattern === undefined ? [text.textAt, text.textEnd] : [pattern.start, pattern.end]
    line.isPart = joiner.isPart?.(entry, from, to) ?? false
    if (joiner.machine !== undefined) {
      line.matchAt = from
      line.matchEnd = to
    }
    return line
  }

  /** The last one that the parser wrote: path and offset stand behind it. */
  #lastValue(map: number, size: number): number {
    const pairs = mapPairs(this.entry, map) - this.#extraPairs
    let at = -1
    let pair = mapBody(this.entry, map)
    for (let i = 0; i < pairs; i++) {
      at = skip(this.entry, pair, size)
      pair = skip(this.entry, at, size)
    }
    return at
  }

  #valueOf(map: number, size: number, key: Buffer | undefined): { start: number; end: number } | undefined {
    const at = key === undefined ? -1 : findKey(this.entry, map, size, key)
    return at < 0 ? undefined : spanOf(this.entry, at)
  }

  /** Room for an entry of so many bytes. */
  #fit(bytes: number): void {
    if (bytes + 64 <= this.entry.length) return
    this.#buffers.give(this.entry)
    this.entry = this.#buffers.takeLongLived(bytes + 64)
    this.#view = viewOf(this.entry)
  }
}
