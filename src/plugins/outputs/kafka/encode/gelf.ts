import { skip } from '../../../../core/msgpack/encode.ts'
import { findKey, mapBody, mapPairs, textHead, textLength } from '../../../../core/msgpack/record.ts'
import type { JsonText } from '../../../../lib/json/msgpack-to-json.ts'
import type { Entry } from '../../../../lib/records/entry.ts'
import type { KafkaOptions } from '../options.ts'
import type { TextFormat } from './field-text.ts'
import { Timestamp } from './timestamp.ts'

const SHORT_MESSAGE_FALLBACKS = [Buffer.from('log'), Buffer.from('message')]
/** Lowest severity of syslog, whose levels GELF uses. */
const MAX_LEVEL = 7

/**
 * Writes GELF 1.1: version, host, short_message, timestamp, and full_message and level if the record has
 * them. All other field names are prefixed with `_`, and in a nested map also with the map's name:
 * `_kubernetes_pod`. Values are strings or numbers; others are written as a string of their JSON. Of fields
 * with the same resulting name the last one is written.
 */
export class Gelf implements TextFormat {
  readonly #hostKey: Buffer
  readonly #shortKey: Buffer
  readonly #fullKey: Buffer
  readonly #levelKey: Buffer
  readonly #hostname: string
  /** Offsets of the values to write, by name, for one record. */
  readonly #fields = new Map<string, number>()
  readonly #time = new Timestamp('double')

  constructor(options: KafkaOptions, hostname: string) {
    this.#hostKey = Buffer.from(options.gelfHostKey)
    this.#shortKey = Buffer.from(options.gelfShortMessageKey)
    this.#fullKey = Buffer.from(options.gelfFullMessageKey)
    this.#levelKey = Buffer.from(options.gelfLevelKey)
    this.#hostname = JSON.stringify(hostname)
  }

  write(text: JsonText, buf: Buffer, { time: { sec, nsec }, map, end }: Entry): void {
    const host = findKey(buf, map, end, this.#hostKey)
    const short = this.#findShortMessage(buf, map, end)
    const full = findKey(buf, map, end, this.#fullKey)
    const level = findKey(buf, map, end, this.#levelKey)
    text.raw('{"version":"1.1","host":')
    if (host < 0) text.raw(this.#hostname)
    else this.#writeText(text, buf, host)
    text.raw(',"short_message":')
    if (short < 0) text.raw('"-"')
    else this.#writeText(text, buf, short)
    text.raw(',"timestamp":')
    text.copy(this.#time.bytes, 0, this.#time.set(sec, nsec))
    if (full >= 0) {
      text.raw(',"full_message":')
      this.#writeText(text, buf, full)
    }
    const hasLevel = level >= 0 && (buf[level] as number) <= MAX_LEVEL
    if (hasLevel) text.raw(`,"level":${buf[level]}`)
    const used = [host, short, full, hasLevel ? level : -1]
    this.#fields.clear()
    this.#findFields(buf, map, end, '_', used)
    for (const [name, value] of this.#fields) {
      text.raw(`,${JSON.stringify(name)}:`)
      this.#writeText(text, buf, value)
    }
    text.byte(0x7d)
  }

  #findShortMessage(buf: Buffer, map: number, end: number): number {
    let at = findKey(buf, map, end, this.#shortKey)
    for (const key of SHORT_MESSAGE_FALLBACKS) if (at < 0) at = findKey(buf, map, end, key)
    return at
  }

  #findFields(buf: Buffer, map: number, end: number, prefix: string, used: number[]): void {
    const pairs = mapPairs(buf, map)
    let p = mapBody(buf, map)
    for (let i = 0; i < pairs; i++) {
      const value = skip(buf, p, end)
      const next = skip(buf, value, end)
      if (!used.includes(value)) this.#addField(buf, p, value, end, prefix)
      p = next
    }
  }

  #addField(buf: Buffer, key: number, value: number, end: number, prefix: string): void {
    const head = textHead(buf, key)
    if (head < 0) return
    const name = prefix + buf.toString('utf8', key + head, key + head + textLength(buf, key))
    if (mapPairs(buf, value) >= 0) {
      this.#findFields(buf, value, end, `${name}_`, [])
      return
    }
    // The specification forbids `_id`.
    this.#fields.set(name === '_id' ? '__id' : name, value)
  }

  /** Writes a string or number as it is, anything else as a string with its JSON. */
  #writeText(text: JsonText, buf: Buffer, at: number): void {
    const t = buf[at] as number
    const number = t < 0x80 || t >= 0xe0 || (t >= 0xca && t <= 0xd3)
    if (number || textHead(buf, at) > 0) {
      text.value(buf, at)
      return
    }
    const from = text.at
    text.value(buf, at)
    const json = Buffer.from(text.buf.subarray(from, text.at))
    text.at = from
    text.string(json, 0, json.length)
  }
}
