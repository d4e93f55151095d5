import { closeMap } from '../../core/msgpack/map-head.ts'
import type { OptionsOf } from '../../core/options/option.ts'
import type { EntryWriter, Parser, ParserKernel } from '../../core/parser.ts'
import type { ParserContext } from '../../core/plugin.ts'
import { parseTypes } from '../values/typed-value.ts'
import { FormKernel, type FormSettings } from '../wasm/form-kernel.ts'
import { FieldWriter } from './field-writer.ts'
import { type TIME_OPTIONS, type TYPES_OPTION, timeReader } from './options.ts'

/**
 * Base of parsers for lines of consecutive fields, each with its key; subclasses define the syntax of a field
 * in `walk`.
 */
export abstract class FieldParser implements Parser {
  protected readonly fields: FieldWriter
  readonly #settings: Omit<FormSettings, 'form' | 'bareKeys'>
  /** Null: the module does not cover the options. */
  #kernel: FormKernel | null | undefined

  constructor(options: OptionsOf<typeof TIME_OPTIONS & typeof TYPES_OPTION>, ctx: ParserContext) {
    const time = { reader: timeReader(options, ctx), key: options.timeKey, keep: options.timeKeep }
    const types = parseTypes(options.types)
    this.#settings = { time: time.reader, timeKey: time.key, keepTime: time.keep, types }
    this.fields = new FieldWriter(time, options.types)
  }

  get timeFailures(): number {
    return this.fields.timeFailures
  }

  /**
   * Returns the maximum output size. Worst case: `a` and a blank are two bytes and become three; `a=5` as
   * float64 becomes eleven.
   */
  bound(length: number): number {
    return Math.ceil(length * (this.fields.typed ? 2.75 : 1.5)) + 24
  }

  parse(src: Buffer, start: number, end: number, out: EntryWriter): boolean {
    const { sec, nsec } = out
    const fields = this.fields
    fields.begin(out.at + 1)
    const isRead = this.walk(src, start, end, out) && !fields.isFull
    if (!isRead || (fields.pairs === 0 && !fields.isTimed)) {
      out.sec = sec
      out.nsec = nsec
      return false
    }
    fields.end(out)
    out.at = closeMap(out.buf, out.at, out.at + 1, fields.at, fields.pairs + out.extraPairs)
    return true
  }

  kernel(): ParserKernel | undefined {
    if (this.#kernel === undefined)
      this.#kernel = FormKernel.of({ ...this.#settings, ...this.form() }) ?? null
    return this.#kernel ?? undefined
  }

  /** Returns the form of the lines for the WebAssembly module. */
  protected abstract form(): Pick<FormSettings, 'form' | 'bareKeys'>

  /** Passes every field of the line to `fields`; returns false when the line does not have this form. */
  protected abstract walk(src: Buffer, start: number, end: number, out: EntryWriter): boolean
}
