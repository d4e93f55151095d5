import { closeMap } from '../../core/msgpack/map-head.ts'
import type { OptionsOf } from '../../core/options/option.ts'
import type { EntryWriter, Parser } from '../../core/parser.ts'
import type { ParserContext } from '../../core/plugin.ts'
import { FieldWriter } from './field-writer.ts'
import { type TIME_OPTIONS, type TYPES_OPTION, timeReader } from './options.ts'

/** A parser of lines that are fields one behind the other, each with its key: what a field looks like is `walk`'s. */
export abstract class FieldParser implements Parser {
  protected readonly fields: FieldWriter

  constructor(options: OptionsOf<typeof TIME_OPTIONS & typeof TYPES_OPTION>, ctx: ParserContext) {
    const time = { reader: timeReader(options, ctx), key: options.timeKey, keep: options.timeKeep }
    this.fields = new FieldWriter(time, options.types)
  }

  /** The shortest fields grow most: `a` and a blank are two bytes and become three; `a=5` as float64 becomes eleven. */
  bound(length: number): number {
    return Math.ceil(length * (this.fields.typed ? 2.75 : 1.5)) + 24
  }

  parse(src: Buffer, start: number, end: number, out: EntryWriter): boolean {
    const { sec, nsec } = out
    const fields = this.fields
    fields.begin(out.at + 1)
    if (!this.walk(src, start, end, out) || fields.pairs === 0) {
      out.sec = sec
      out.nsec = nsec
      return false
    }
    out.at = closeMap(out.buf, out.at, out.at + 1, fields.at, fields.pairs + out.extraPairs)
    return true
  }

  /** Hands every field of the line to `fields`; false: the line does not have this form. */
  protected abstract walk(src: Buffer, start: number, end: number, out: EntryWriter): boolean
}
