import type { Chunk } from '../../core/chunk.ts'
import { skip } from '../../core/msgpack/encode.ts'
import { arrayItems, mapBody, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import { replacedUtf8 } from '../../core/replaced-utf8.ts'
import type { Counters } from '../../core/services.ts'
import { JsonText } from '../json/msgpack-to-json.ts'
import { Entry } from '../records/entry.ts'
import { JsonLines } from '../records/json-lines.ts'
import { KeyTable } from '../records/key-table.ts'
import { RecordEnds } from '../records/record-ends.ts'

interface LogLineForm {
  /** `json`: an object; `key_value`: `a="text" b=5`, as in logfmt. */
  format: 'json' | 'key_value'
  /** Keys of a record that are left out. */
  omitted: readonly string[]
  /** What a record with one key is: `off`: a line as others; `on`: its value as JSON; `raw`: its text without quotation marks. */
  single: 'off' | 'on' | 'raw'
}

/** Writes the lines that Loki keeps of the records of a chunk, one after the other into `text`; `ends` has where each ends. */
export class LogLines {
  readonly text = new JsonText()
  ends = new RecordEnds()
  readonly #form: LogLineForm
  readonly #json: JsonLines
  readonly #omitted: KeyTable
  readonly #entry = new Entry()
  readonly #inner = new JsonText()

  constructor(form: LogLineForm, counters?: Counters) {
    this.#form = form
    this.#json = new JsonLines({ omitted: form.omitted }, counters)
    this.#omitted = new KeyTable(form.omitted.map((key) => Buffer.from(key)))
  }

  /**
   * Writes the lines of the entries from `at` on; `maxBytes`: about as many bytes, but at least one line. Returns the offset of the first
   * entry without one.
   */
  write(chunk: Chunk, at: number, maxBytes = Infinity, maxRecords = Infinity): number {
    const { text } = this
    const { format, single } = this.#form
    text.reset()
    this.ends.count = 0
    if (format === 'json' && single === 'off') {
      const stop = this.#json.append(text, chunk, at, { ends: this.ends, maxBytes, maxRecords })
      if (stop > at) return stop
      // A single line larger than the limit is written nevertheless.
      return this.#json.append(text, chunk, at, { ends: this.ends, maxRecords: 1 })
    }
    const entry = this.#entry
    let from = at
    while (from < chunk.end && text.at < maxBytes && this.ends.count < maxRecords) {
      entry.read(chunk, from)
      this.#line(chunk.buf, entry.map)
      from = entry.end
      this.ends.push(from, text.at)
    }
    return from
  }

  #line(buf: Buffer, map: number): void {
    const { text } = this
    const { format, single } = this.#form
    const value = single === 'off' ? -1 : this.#singleValue(buf, map)
    if (value >= 0) {
      const isText = single === 'raw' && textHead(buf, value) > 0
      if (isText) this.#raw(buf, value)
      else text.value(buf, value)
    } else if (format === 'json') {
      text.byte(0x7b)
      text.pairsAfter(buf, map, [], this.#omitted)
      text.byte(0x7d)
    } else this.#keyValues(buf, map)
  }

  /** Copies a text; with U+FFFD for bytes that are not UTF-8. */
  #raw(buf: Buffer, at: number): void {
    const start = at + textHead(buf, at)
    const replaced = replacedUtf8(buf, start, start + textLength(buf, at))
    if (replaced !== undefined) this.text.copy(replaced, 0, replaced.length)
    else this.text.copy(buf, start, start + textLength(buf, at))
  }

  /** Returns the offset of the value when one pair is left of the map, else -1. */
  #singleValue(buf: Buffer, map: number): number {
    const pairs = mapPairs(buf, map)
    let found = -1
    let at = mapBody(buf, map)
    for (let i = 0; i < pairs; i++) {
      const value = skip(buf, at, buf.length)
      if (!this.#isOmitted(buf, at)) {
        if (found >= 0) return -1
        found = value
      }
      at = skip(buf, value, buf.length)
    }
    return found
  }

  #keyValues(buf: Buffer, map: number): void {
    const { text } = this
    const pairs = mapPairs(buf, map)
    let isFirst = true
    let at = mapBody(buf, map)
    for (let i = 0; i < pairs; i++) {
      const value = skip(buf, at, buf.length)
      if (!this.#isOmitted(buf, at)) {
        if (!isFirst) text.byte(0x20)
        isFirst = false
        if (textHead(buf, at) > 0) this.#raw(buf, at)
        else text.value(buf, at)
        text.byte(0x3d)
        this.#quoted(buf, value)
      }
      at = skip(buf, value, buf.length)
    }
  }

  /** Writes a value; lists and maps as the text of their JSON, as in logfmt. */
  #quoted(buf: Buffer, value: number): void {
    const { text } = this
    if (mapPairs(buf, value) < 0 && arrayItems(buf, value) < 0) {
      text.value(buf, value)
      return
    }
    const inner = this.#inner
    inner.reset()
    inner.value(buf, value)
    text.string(inner.buf, 0, inner.at)
  }

  #isOmitted(buf: Buffer, key: number): boolean {
    const head = textHead(buf, key)
    return head > 0 && this.#omitted.find(buf, key + head, textLength(buf, key)) >= 0
  }
}
