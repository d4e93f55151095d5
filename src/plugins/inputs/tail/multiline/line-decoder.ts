import type { BufferSource } from '../../../../core/buffer-source.ts'
import { skip } from '../../../../core/msgpack/encode.ts'
import { entryMap, findKey, mapBody, mapPairs, spanOf } from '../../../../core/msgpack/record.ts'
import { textSpanAt } from '../../../../lib/multiline/joined-record.ts'
import { viewOf } from '../../../../lib/text/data-views.ts'
import { type EntryEncoder, type EntryFormat, extraPairsOf, UNTIMED } from '../file/entry-encoder.ts'
import type { JoinRule } from './join-rules.ts'

/** Encoders of one file, or of all where records do not name their file. */
export interface RecordEncoders {
  /** Encoders of the rules, in their order; undefined for a rule without parser. */
  readonly encoders: readonly (EntryEncoder | undefined)[]
  /** Encoder of lines that no rule reads. */
  readonly plain: EntryEncoder
}

/** The current line, as an entry in `entry[0, size)`. */
export interface Line {
  rule: JoinRule | undefined
  size: number
  /** Position of the text's value, with its head; -1: no text, the entry is a record of its own. */
  valueAt: number
  textAt: number
  textEnd: number
  /** Start of the text that the machines see: the text itself, or the value under the rule's patternKey. */
  matchAt: number
  matchEnd: number
  stream: string
  isPartial: boolean
  /** True when the line has a time that could not be read. */
  isUntimed: boolean
}

/** Turns a line into an entry of its own and locates the text to join in it. */
export class LineDecoder {
  /** Entry of the line read last. */
  entry: Buffer
  /**
   * Index of the container format of the last line of any file, tried first: all logs of a node have the same
   * one.
   */
  lastContainer = 0
  readonly #rules: readonly JoinRule[]
  /** Key of the text of a line that no rule reads. */
  readonly #key: Buffer
  readonly #buffers: BufferSource
  readonly #extraPairs: number
  #view: DataView

  constructor(rules: readonly JoinRule[], format: Omit<EntryFormat, 'parser'>, buffers: BufferSource) {
    const { key } = format
    this.#rules = rules
    this.#key = Buffer.from(key)
    this.#extraPairs = extraPairsOf(format)
    this.#buffers = buffers
    this.entry = buffers.takeLongLived(65_536)
    this.#view = viewOf(this.entry)
  }

  close(): void {
    this.#buffers.give(this.entry)
  }

  /**
   * Reads the line src[start, end), which starts at `offset` of its file, by the first rule whose format it
   * has.
   */
  read(encoders: RecordEncoders, src: Buffer, start: number, end: number, offset: number): Line {
    const rules = this.#rules
    for (let n = 0; n < rules.length; n++) {
      const i = (this.lastContainer + n) % rules.length
      const encoder = encoders.encoders[i]
      if (encoder === undefined) continue
      this.#ensureBytes(encoder.bound(end - start))
      const size = encoder.parsed(this.entry, 0, src, start, end, offset)
      if (size < 0) continue
      const rule = rules[i] as JoinRule
      if (rule.isPartial !== undefined) this.lastContainer = i
      return this.#locate(rule, size, encoder.failure === UNTIMED)
    }
    this.#ensureBytes(encoders.plain.bound(end - start))
    const size = encoders.plain.write(this.entry, this.#view, 0, src, start, end, offset)
    return this.#locate(undefined, size, false)
  }

  /** Finds the text and the stream in the entry. */
  #locate(rule: JoinRule | undefined, size: number, isUntimed: boolean): Line {
    const entry = this.entry
    const map = entryMap(entry, 0, size)
    const valueAt =
      rule !== undefined && rule.contentKey === undefined
        ? this.#lastValue(map, size)
        : findKey(entry, map, size, rule?.contentKey ?? this.#key)
    const text = textSpanAt(entry, valueAt)
    const line: Line = {
      rule: rule,
      size,
      valueAt: text?.valueAt ?? -1,
      textAt: text?.textAt ?? 0,
      textEnd: text?.textEnd ?? 0,
      matchAt: text?.textAt ?? 0,
      matchEnd: text?.textEnd ?? 0,
      stream: '',
      isPartial: false,
      isUntimed,
    }
    if (rule === undefined || text === undefined) return line
    const stream = this.#valueOf(map, size, rule.groupKey)
    if (stream !== undefined) line.stream = entry.toString('latin1', stream.start, stream.end)
    const pattern = this.#valueOf(map, size, rule.patternKey)
    const [from, to] = pattern === undefined ? [text.textAt, text.textEnd] : [pattern.start, pattern.end]
    line.isPartial = rule.isPartial?.(entry, from, to) ?? false
    if (rule.machine !== undefined) {
      line.matchAt = from
      line.matchEnd = to
    }
    return line
  }

  /** Returns the position of the last value that the parser wrote; path and offset come after it. */
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

  /** Makes sure that `entry` has space for `bytes`. */
  #ensureBytes(bytes: number): void {
    if (bytes + 64 <= this.entry.length) return
    this.#buffers.give(this.entry)
    this.entry = this.#buffers.takeLongLived(bytes + 64)
    this.#view = viewOf(this.entry)
  }
}
