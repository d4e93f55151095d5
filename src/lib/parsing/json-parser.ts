import { encodeStr } from '../../core/msgpack/encode.ts'
import { closeMap } from '../../core/msgpack/map-head.ts'
import { LaterKeys } from '../../core/msgpack/unique-keys.ts'
import type { EntryWriter, Parser, ParserKernel } from '../../core/parser.ts'
import type { ParserContext } from '../../core/plugin.ts'
import { JsonTranscoder, jsonBound, skipBlanks } from '../json/json-to-msgpack.ts'
import { rfc3339Of, type TimeReader } from '../time/strptime.ts'
import { FormKernel } from '../wasm/form-kernel.ts'
import { DockerParser } from './docker-parser.ts'
import { withDecoders } from './field-decoder.ts'
import { type TimeOptions, timeReader } from './options.ts'

/** Creates the parser of `Format json` and `Format docker` with its decoders. */
export function jsonParser(options: TimeOptions & { decodeField: string[][] }, ctx: ParserContext): Parser {
  const reader = timeReader(options, ctx)
  const time = reader === undefined ? {} : { time: { reader, key: options.timeKey, keep: options.timeKeep } }
  return withDecoders(new JsonParser(options, ctx), options.decodeField, ctx, time)
}

const DOCKER_KEYS = ['log', 'stream', 'time'].map(encodeStr)

/** Parses lines of `Format json` and `Format docker`: one object with nothing but blanks around it. */
export class JsonParser implements Parser {
  readonly lineFormat: Parser['lineFormat']
  readonly ignoresEnd = true
  timeFailures = 0
  readonly #json: JsonTranscoder
  readonly #time: TimeReader | undefined
  readonly #keep: boolean
  /**
   * Fast path for Docker's lines, which look alike; set when their field `time` is the time of the record.
   */
  readonly #docker: DockerParser | undefined
  readonly #timeKey: Buffer
  /** Extra keys of the last line, and the two fields derived from them. */
  #extraKeys: LaterKeys | undefined
  #usesDocker: boolean
  /** True when an extra key equals that of the time: the time is read, but its field is removed. */
  #dropsTime = false

  readonly #options: TimeOptions
  /** Null: the module does not cover the options. */
  #kernel: FormKernel | null | undefined
  /** True when lines of Docker came with many others. */
  #missedDocker = false

  constructor(options: TimeOptions, ctx: ParserContext) {
    this.#options = options
    const { timeKey, timeKeep } = options
    this.#time = timeReader(options, ctx)
    this.#keep = timeKeep
    this.#timeKey = encodeStr(timeKey)
    this.#json = new JsonTranscoder(this.#time === undefined ? undefined : this.#timeKey, undefined, true)
    const rfc3339 = rfc3339Of(this.#time)
    if (rfc3339 !== undefined && timeKey === 'time') {
      this.lineFormat = { name: 'docker', keepTime: timeKeep, readsTime: true }
      this.#docker = new DockerParser(this.#json, rfc3339, timeKeep)
    }
    // With its time in none of Docker's fields, or in no field at all, a line has the time of reading.
    else if (this.#time === undefined || !DOCKER_KEYS.some((key) => key.equals(this.#timeKey)))
      this.lineFormat = { name: 'docker', keepTime: true, readsTime: false }
    this.#usesDocker = this.#docker !== undefined
  }

  get seesLineFormat(): boolean {
    return this.#kernel === null || (this.#kernel?.seesDocker === true && !this.#missedDocker)
  }

  missedLineFormat(): void {
    this.#missedDocker = true
  }

  kernel(): ParserKernel | undefined {
    if (this.#kernel === undefined) {
      const { timeKey } = this.#options
      const form = { form: 'json', types: [], bareKeys: false } as const
      this.#kernel = FormKernel.of({ ...form, time: this.#time, timeKey, keepTime: this.#keep }) ?? null
    }
    return this.#kernel ?? undefined
  }

  get isPlainJson(): boolean {
    return this.#time === undefined
  }

  bound(length: number): number {
    return jsonBound(length)
  }

  parse(src: Buffer, start: number, end: number, out: EntryWriter): boolean {
    if (out.extraKeys !== this.#extraKeys) this.#setExtraKeys(out.extraKeys)
    if (this.#usesDocker && this.#docker?.parse(src, start, end, out)) return true
    const from = skipBlanks(src, start, end)
    if (from >= end || src[from] !== 0x7b) return false
    const json = this.#json
    json.extraPairs = out.extraPairs
    const at = json.transcode(src, from, end, out.buf, out.at)
    if (at < 0 || skipBlanks(src, json.end, end) < end) return false
    const hasTime = json.pairAt >= 0
    const isRead = hasTime && this.#readTime(src, end, out)
    if (hasTime && !isRead) this.timeFailures++
    const removesTime = (isRead && !this.#keep) || (hasTime && this.#dropsTime)
    out.at = removesTime ? this.#removeTime(out, at) : at
    return true
  }

  #setExtraKeys(extra: LaterKeys | undefined): void {
    this.#extraKeys = extra
    this.#dropsTime = this.#time !== undefined && extra?.has(this.#timeKey) === true
    // The fast path writes its fields without comparing them with the extra keys.
    this.#usesDocker = this.#docker !== undefined && !DOCKER_KEYS.some((key) => extra?.has(key))
    this.#json.extraKeys =
      extra !== undefined && this.#dropsTime
        ? new LaterKeys(extra.keys.filter((key) => !key.equals(this.#timeKey)))
        : extra
  }

  /** Reads the time from a string, with its escapes resolved, or from a number (`%s`). */
  #readTime(src: Buffer, end: number, out: EntryWriter): boolean {
    const { valueAt, pairEnd, sourceValueAt: valueFrom } = this.#json
    const type = out.buf[valueAt] as number
    const time = this.#time as TimeReader
    if (type >= 0xa0 && type < 0xc0) return time.parse(out.buf, valueAt + 1, pairEnd, out)
    if (type === 0xd9) return time.parse(out.buf, valueAt + 2, pairEnd, out)
    const digit = src[valueFrom] as number
    return digit >= 0x30 && digit <= 0x39 && time.parse(src, valueFrom, end, out)
  }

  #removeTime(out: EntryWriter, at: number): number {
    const { pairAt, pairEnd, pairs, bodyAt: body } = this.#json
    out.buf.copyWithin(pairAt, pairEnd, at)
    return closeMap(out.buf, out.at, body, at - (pairEnd - pairAt), pairs - 1 + out.extraPairs)
  }
}
