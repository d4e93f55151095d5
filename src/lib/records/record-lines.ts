import type { Chunk } from '../../core/chunk.ts'
import { escapeControls } from '../../core/escape-controls.ts'
import { skip } from '../../core/msgpack/encode.ts'
import { entryMap, mapBody, mapPairs } from '../../core/msgpack/record.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import { Entry } from './entry.ts'
import { metadataAt } from './entry-parts.ts'
import { type Group, groupIn } from './group.ts'

/** Text before the time, between metadata and map, and at the end, of a record as fluent-bit prints it. */
interface LineForm {
  readonly open: string
  readonly close: string
  /** True when an entry that is no record is printed as it is; else it is an error. */
  readonly printsOthers?: true
  /** True when the group of a record is printed before it. */
  readonly printsGroups?: true
}

/** Form of the output stdout: `[0] tag: [[1700000000.123456789, {}], {"k"=>"v"}]`. */
export const OUTPUT_LINE: LineForm = { open: '[[', close: '], ', printsGroups: true }
/** Form of the filter stdout: `[0] tag: [1700000000.123456789, {}, {"k"=>"v"}]`. */
export const FILTER_LINE: LineForm = { open: '[', close: ', ', printsOthers: true }

/** Writes the records of chunks as lines, in the form that fluent-bit prints. */
export class RecordLines {
  readonly #text: JsonText
  readonly #form: LineForm
  readonly #entry = new Entry()

  constructor(text: JsonText, form: LineForm) {
    this.#text = text
    this.#form = form
    text.arrows = true
  }

  /** Appends a line for each record. */
  append(chunk: Chunk): void {
    const text = this.#text
    const entry = this.#entry
    const { open, close, printsOthers } = this.#form
    const tag = escapeControls(chunk.tag)
    let n = 0
    for (let at = chunk.start; at < chunk.end; at = entry.end) {
      if (printsOthers === true && entryMap(chunk.buf, at, chunk.end) < 0) {
        entry.end = skip(chunk.buf, at, chunk.end)
        text.raw(`[${n++}] ${tag}: `)
        text.value(chunk.buf, at)
        text.raw('\n')
        continue
      }
      entry.read(chunk, at)
      const metadata = chunk.hasMetadata ? metadataAt(chunk.buf, at, entry.end) : -1
      const group = metadata < 0 ? undefined : groupIn(chunk.buf, metadata, entry.end)
      if (group !== undefined && this.#form.printsGroups === true) this.#appendGroup(chunk.buf, group)
      text.raw(`[${n}] ${tag}: ${open}${entry.time.seconds()}, `)
      if (metadata < 0) text.raw('{}')
      else if (group === undefined) text.value(chunk.buf, metadata)
      else this.#appendOthers(chunk.buf, metadata, entry.end, group)
      text.raw(close)
      text.value(chunk.buf, entry.map)
      text.raw(']\n')
      n++
    }
  }

  /** Appends the parts of a group, as fluent-bit prints them before the records of it. */
  #appendGroup(buf: Buffer, { metadata, attributes }: Group): void {
    const text = this.#text
    text.raw('GROUP METADATA : \n\n')
    text.value(buf, metadata)
    text.raw('\n\nGROUP ATTRIBUTES : \n\n')
    text.value(buf, attributes)
    text.raw('\n\n')
  }

  /** Appends metadata without the group in it. */
  #appendOthers(buf: Buffer, metadata: number, end: number, group: Group): void {
    const text = this.#text
    let separator = ''
    text.raw('{')
    for (let left = mapPairs(buf, metadata), pair = mapBody(buf, metadata); left > 0; left--) {
      const value = skip(buf, pair, end)
      if (pair !== group.pair) {
        text.raw(separator)
        text.value(buf, pair)
        text.raw('=>')
        text.value(buf, value)
        separator = ', '
      }
      pair = skip(buf, value, end)
    }
    text.raw('}')
  }
}
