import { encodeStr, writeMapHead } from '../../../../core/msgpack/encode.ts'
import { mapBody, mapPairs, type RecordAccessor } from '../../../../core/msgpack/record.ts'
import { JsonText } from '../../../../lib/json/msgpack-to-json.ts'
import type { Entry } from '../../../../lib/records/entry.ts'
import type { RecordForm } from '../../../../lib/wasm/record-encoder.ts'
import type { KafkaOptions } from '../options.ts'
import { parseAccessor } from './accessor.ts'
import { type Span, setFieldText } from './field-text.ts'
import { Gelf } from './gelf.ts'
import { Timestamp } from './timestamp.ts'

/** What a Kafka record's value is made of; after `set` it is `src[start, start + length)`, valid until the next one. */
export abstract class Value implements Span {
  src: Buffer = Buffer.alloc(0)
  start = 0
  length = 0
  /** What a kernel has to know to write the same; undefined: there is none that could. */
  form: RecordForm | undefined
  /** A plain key that `Entry.read` is to find for it. */
  readonly fieldKey: Buffer | undefined

  constructor(key?: Buffer) {
    this.fieldKey = key
  }

  abstract set(buf: Buffer, entry: Entry): void

  /** A buffer that one huge record has made large is not kept. */
  reset(): void {}
}

export function createValue(o: KafkaOptions, hostname: string): Value {
  switch (o.format) {
    case 'raw':
      return new RawValue(o.rawLogKey)
    case 'msgpack':
      return timestampKeyOf(o) === '' ? new MapValue() : new TimedMapValue(o)
    case 'json':
      return new JsonValue(o)
    case 'gelf':
      return new TextValue(new Gelf(o, hostname))
  }
}

const TIMESTAMP_OFF = ['off', 'false']

/** Empty: no time is added. In the classic format a key without a value is a mistake, so there are words for it. */
function timestampKeyOf({ timestampKey }: KafkaOptions): string {
  return TIMESTAMP_OFF.includes(timestampKey.toLowerCase()) ? '' : timestampKey
}

class RawValue extends Value {
  readonly #accessor: RecordAccessor | undefined
  readonly #text = new JsonText()

  constructor(key: string) {
    const nested = key.startsWith('$')
    super(nested ? undefined : Buffer.from(key))
    if (nested) this.#accessor = parseAccessor('raw_log_key', key)
    else this.form = { format: 'raw', name: Buffer.from(key) }
  }

  set(buf: Buffer, entry: Entry): void {
    const at = this.#accessor === undefined ? entry.value : this.#accessor.find(buf, entry.map, entry.end)
    setFieldText(this, this.#text, buf, at < 0 ? entry.map : at)
  }

  override reset(): void {
    this.#text.reset()
  }
}

/** The map as it is. */
class MapValue extends Value {
  override form: RecordForm = { format: 'map' }

  set(buf: Buffer, entry: Entry): void {
    this.src = buf
    this.start = entry.map
    this.length = entry.end - entry.map
  }
}

/** The map with one pair more before the others: its time, as float64 or text. */
class TimedMapValue extends Value {
  readonly #key: Buffer
  readonly #time: Timestamp | undefined

  constructor(o: KafkaOptions) {
    super()
    this.#key = encodeStr(timestampKeyOf(o))
    this.#time = o.timestampFormat === 'double' ? undefined : new Timestamp(o.timestampFormat)
    this.src = Buffer.allocUnsafe(4096)
    this.form = { format: 'timed', head: this.#key, time: o.timestampFormat }
  }

  set(buf: Buffer, { time: { sec, nsec }, map, end }: Entry): void {
    const need = this.#key.length + 48 + end - map
    if (need > this.src.length) this.src = Buffer.allocUnsafe(need * 2)
    const out = this.src
    let at = writeMapHead(out, 0, mapPairs(buf, map) + 1)
    at += this.#key.copy(out, at)
    if (this.#time === undefined) {
      out[at] = 0xcb
      at = out.writeDoubleBE(sec + nsec / 1e9, at + 1)
    } else {
      const text = this.#time.set(sec, nsec)
      out[at] = 0xa0 | text
      at += 1 + this.#time.bytes.copy(out, at + 1, 0, text)
    }
    this.length = at + buf.copy(out, at, mapBody(buf, map), end)
  }

  override reset(): void {
    if (this.src.length > 4_000_000) this.src = Buffer.allocUnsafe(4096)
  }
}

/** Something that writes a record as text. */
export interface TextFormat {
  write(text: JsonText, buf: Buffer, entry: Entry): void
}

class TextValue extends Value {
  readonly #text = new JsonText()
  readonly #form: TextFormat

  constructor(form: TextFormat) {
    super()
    this.#form = form
  }

  set(buf: Buffer, entry: Entry): void {
    this.#text.reset()
    this.#form.write(this.#text, buf, entry)
    this.src = this.#text.buf
    this.length = this.#text.at
  }

  override reset(): void {
    this.#text.reset()
  }
}

class JsonValue extends TextValue {
  constructor(o: KafkaOptions) {
    const form = new JsonFormat(o)
    super(form)
    this.form = { format: 'json', head: form.head, time: o.timestampFormat }
  }
}

class JsonFormat implements TextFormat {
  /** `{"@timestamp":`, with a quote behind it where the time is a text. */
  readonly head: Buffer
  readonly #time: Timestamp
  readonly #quoted: boolean

  constructor(o: KafkaOptions) {
    this.#quoted = o.timestampFormat !== 'double'
    this.#time = new Timestamp(o.timestampFormat)
    const key = timestampKeyOf(o)
    this.head = Buffer.from(key === '' ? '' : `${JSON.stringify(key)}:${this.#quoted ? '"' : ''}`)
  }

  write(text: JsonText, buf: Buffer, { time: { sec, nsec }, map }: Entry): void {
    text.byte(0x7b)
    if (this.head.length > 0) {
      text.copy(this.head, 0, this.head.length)
      text.copy(this.#time.bytes, 0, this.#time.set(sec, nsec))
      if (this.#quoted) text.byte(0x22)
      if (mapPairs(buf, map) > 0) text.byte(0x2c)
    }
    text.pairs(buf, map)
    text.byte(0x7d)
  }
}
