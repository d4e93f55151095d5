import type { Chunk } from '../../../core/chunk.ts'
import { escapeControls } from '../../../core/escape-controls.ts'
import { skip } from '../../../core/msgpack/encode.ts'
import { findKey, mapBody, mapPairs } from '../../../core/msgpack/record.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { Entry } from '../../../lib/records/entry.ts'
import { appendMsgpackRecord } from '../../../lib/records/msgpack-records.ts'
import { CsvFields } from './csv.ts'
import { delimiterOf, type FileOptions } from './options.ts'

/** Part of a template: fixed text, a field with its key and as it is written, or the time. */
type TemplatePart = { text: string } | { key: Buffer; field: string } | 'time'
const FIELD = /\{([^{}]+)\}/

/** Formats chunks as the content of a file, in one buffer that is used for all of them. */
export class FileFormat {
  readonly text = new JsonText()
  readonly #options: FileOptions
  readonly #entry = new Entry()
  readonly #csv = new CsvFields()
  readonly #delimiter: string
  readonly #template: TemplatePart[]
  /** Tag of the current records, escaped. */
  #tag = ''
  #needsColumns = false

  constructor(options: FileOptions) {
    this.#options = options
    this.text.escapesControls = true
    this.#delimiter = delimiterOf(options)
    this.#template = parseTemplate(options.template)
  }

  /** Writes the lines of the chunk to `text`, after the column names of csv when the file is empty. */
  write(chunk: Chunk, isNewFile: boolean): void {
    this.begin(chunk.tag, isNewFile)
    for (let at = chunk.start; at < chunk.end; ) at = this.add(chunk, at)
  }

  /** Begins a text for records of one tag; `isNewFile`: the file is empty. */
  begin(tag: string, isNewFile: boolean): void {
    this.text.reset()
    this.#tag = escapeControls(tag)
    this.#needsColumns = isNewFile && this.#options.format === 'csv' && this.#options.csvColumnNames
  }

  /** Adds the line of the entry at `at`; returns the offset after the entry. */
  add(chunk: Chunk, at: number): number {
    const { buf, end } = chunk
    const entry = this.#entry
    entry.read(chunk, at)
    if (this.#options.format === 'msgpack') {
      appendMsgpackRecord(this.text, chunk, at, entry)
      return entry.end
    }
    if (this.#needsColumns) this.#columns(buf, entry.map, end)
    this.#needsColumns = false
    this.#line(this.#tag, buf, entry.map, end)
    this.text.byte(0x0a)
    return entry.end
  }

  #line(tag: string, buf: Buffer, map: number, end: number): void {
    const { text } = this
    switch (this.#options.format) {
      case 'plain':
        text.value(buf, map)
        return
      case 'csv':
        text.raw(this.#entry.time.seconds())
        this.#each(buf, map, end, (_key, value) => {
          text.raw(this.#delimiter)
          this.#csv.write(text, buf, value)
        })
        return
      case 'ltsv':
        text.raw(`"time"${this.#options.labelDelimiter}${this.#entry.time.double()}`)
        this.#each(buf, map, end, (key, value) => {
          text.raw(this.#delimiter)
          text.value(buf, key)
          text.raw(this.#options.labelDelimiter)
          text.value(buf, value)
        })
        return
      case 'template':
        this.#fill(buf, map, end)
        return
      default:
        text.raw(`${tag}: [${this.#entry.time.seconds()}, `)
        text.value(buf, map)
        text.byte(0x5d)
    }
  }

  #columns(buf: Buffer, map: number, end: number): void {
    this.text.raw('timestamp')
    this.#each(buf, map, end, (key) => {
      this.text.raw(this.#delimiter)
      this.#csv.write(this.text, buf, key)
    })
    this.text.byte(0x0a)
  }

  #fill(buf: Buffer, map: number, end: number): void {
    for (const part of this.#template) {
      if (part === 'time') this.text.raw(this.#entry.time.double())
      else if ('text' in part) this.text.raw(part.text)
      else {
        const value = findKey(buf, map, end, part.key)
        if (value >= 0) this.text.plain(buf, value)
        else this.text.raw(part.field)
      }
    }
  }

  /** Calls `fn` with the offsets of key and value of each pair. */
  #each(buf: Buffer, map: number, end: number, fn: (key: number, value: number) => void): void {
    let at = mapBody(buf, map)
    for (let i = mapPairs(buf, map); i > 0; i--) {
      const value = skip(buf, at, end)
      fn(at, value)
      at = skip(buf, value, end)
    }
  }
}

/** Splits a template at its fields: `{time} {message}` has three parts. */
function parseTemplate(template: string): TemplatePart[] {
  const parts: TemplatePart[] = []
  let rest = template
  for (let match = FIELD.exec(rest); match !== null; match = FIELD.exec(rest)) {
    const [field, name = ''] = match
    if (match.index > 0) parts.push({ text: rest.slice(0, match.index) })
    parts.push(name === 'time' ? 'time' : { key: Buffer.from(name), field })
    rest = rest.slice(match.index + field.length)
  }
  return rest === '' ? parts : [...parts, { text: rest }]
}
