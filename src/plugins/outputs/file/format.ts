import type { Chunk } from '../../../core/chunk.ts'
import { skip } from '../../../core/msgpack/encode.ts'
import { findKey, mapBody, mapPairs, textHead, textLength } from '../../../core/msgpack/record.ts'
import { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import { Entry } from '../../../lib/records/entry.ts'
import { delimiterOf, type FileOptions } from './options.ts'

/** A piece of a template: text, or the key whose value stands there. */
type Piece = { text: string } | { key: Buffer } | 'time'
const FIELD = /\{([^{}]+)\}/

/** Turns chunks into the text of a file, in a buffer of its own. */
export class FileFormat {
  readonly text = new JsonText()
  readonly #o: FileOptions
  readonly #entry = new Entry()
  readonly #delimiter: string
  readonly #template: Piece[]

  constructor(options: FileOptions) {
    this.#o = options
    this.#delimiter = delimiterOf(options)
    this.#template = piecesOf(options.template)
  }

  /** The lines of the chunk; `fresh`: the file is empty, and gets its head. */
  write(chunk: Chunk, fresh: boolean): void {
    const { buf, start, end } = chunk
    const entry = this.#entry
    this.text.reset()
    for (let at = start; at < end; at = entry.end) {
      entry.read(chunk, at)
      if (fresh && at === start && this.#o.format === 'csv' && this.#o.csvColumnNames)
        this.#columns(buf, entry.map, end)
      this.#line(chunk.tag, buf, entry.map, end)
      this.text.byte(0x0a)
    }
  }

  #line(tag: string, buf: Buffer, map: number, end: number): void {
    const { text } = this
    switch (this.#o.format) {
      case 'plain':
        text.value(buf, map)
        return
      case 'csv':
        text.raw(this.#entry.time.seconds())
        this.#each(buf, map, end, (_key, value) => {
          text.raw(this.#delimiter)
          text.value(buf, value)
        })
        return
      case 'ltsv':
        text.raw(`"time"${this.#o.labelDelimiter}${this.#entry.time.double()}`)
        this.#each(buf, map, end, (key, value) => {
          text.raw(this.#delimiter)
          text.value(buf, key)
          text.raw(this.#o.labelDelimiter)
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
      this.text.value(buf, key)
    })
    this.text.byte(0x0a)
  }

  #fill(buf: Buffer, map: number, end: number): void {
    for (const piece of this.#template) {
      if (piece === 'time') this.text.raw(this.#entry.time.double())
      else if ('text' in piece) this.text.raw(piece.text)
      else {
        const value = findKey(buf, map, end, piece.key)
        if (value >= 0) this.#plain(buf, value)
      }
    }
  }

  /** A text without quotes, anything else as JSON. */
  #plain(buf: Buffer, at: number): void {
    const head = textHead(buf, at)
    if (head > 0) this.text.copy(buf, at + head, at + head + textLength(buf, at))
    else this.text.value(buf, at)
  }

  #each(buf: Buffer, map: number, end: number, fn: (key: number, value: number) => void): void {
    let at = mapBody(buf, map)
    for (let i = mapPairs(buf, map); i > 0; i--) {
      const value = skip(buf, at, end)
      fn(at, value)
      at = skip(buf, value, end)
    }
  }
}

function piecesOf(template: string): Piece[] {
  const pieces: Piece[] = []
  let rest = template
  for (let match = FIELD.exec(rest); match !== null; match = FIELD.exec(rest)) {
    const [whole, name = ''] = match
    if (match.index > 0) pieces.push({ text: rest.slice(0, match.index) })
    pieces.push(name === 'time' ? 'time' : { key: Buffer.from(name) })
    rest = rest.slice(match.index + whole.length)
  }
  return rest === '' ? pieces : [...pieces, { text: rest }]
}
