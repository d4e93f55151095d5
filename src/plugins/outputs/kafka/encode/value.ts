import type { Chunk } from '../../../../core/chunk.ts'
import { encodeStr, writeMapHead } from '../../../../core/msgpack/encode.ts'
import { mapBody, mapPairs } from '../../../../core/msgpack/record.ts'
import { type GelfKeys, GelfText } from '../../../../lib/gelf/gelf-text.ts'
import { JsonText } from '../../../../lib/json/msgpack-to-json.ts'
import { RecordAccessor } from '../../../../lib/records/accessor.ts'
import type { Entry } from '../../../../lib/records/entry.ts'
import { mayHaveKey } from '../../../../lib/records/may-have-key.ts'
import type { RecordForm } from '../../../../lib/wasm/record-encoder.ts'
import type { KafkaOptions } from '../options.ts'
import { type Span, setFieldText, type TextFormat } from './field-text.ts'
import { Timestamp } from './timestamp.ts'

/** Value of a Kafka record; after `set` it is `src[start, start + length)`, valid until the next `set`. */
export abstract class Value implements Span {
  src: Buffer = Buffer.alloc(0)
  start = 0
  length = 0
  /**
   * Parameters for the WebAssembly encoder to write the same values; undefined when it does not support the
   * format.
   */
  form: RecordForm | undefined
  /** Key whose value `Entry.read` looks up for `set`. */
  fieldKey: Buffer | undefined

  constructor(key?: Buffer) {
    this.fieldKey = key
  }

  /** Prepares for the records of a chunk. */
  beginChunk(_chunk: Chunk): void {}

  abstract set(buf: Buffer, entry: Entry): void

  /** Releases a buffer that a huge record has made large; called after each chunk. */
  reset(): void {}
}

export function createValue(options: KafkaOptions, hostname: string): Value {
  switch (options.format) {
    case 'raw':
      return new RawValue(options.rawLogKey)
    case 'msgpack':
      return timestampKeyOf(options) === '' ? new MapValue() : new TimedMapValue(options)
    case 'json':
      return new JsonValue(options)
    case 'gelf':
      return new TextValue(new GelfText(gelfKeys(options), hostname))
  }
}

function gelfKeys(options: KafkaOptions): GelfKeys {
  return {
    host: options.gelfHostKey,
    shortMessage: options.gelfShortMessageKey,
    fullMessage: options.gelfFullMessageKey,
    level: options.gelfLevelKey,
    timestamp: undefined,
    tag: undefined,
  }
}

const TIMESTAMP_OFF = ['off', 'false']

/**
 * Returns the key of the timestamp; empty for none. An option without a value is an error in the classic
 * configuration format, so `off` and `false` mean none as well.
 */
function timestampKeyOf({ timestampKey }: KafkaOptions): string {
  return TIMESTAMP_OFF.includes(timestampKey.toLowerCase()) ? '' : timestampKey
}

class RawValue extends Value {
  readonly #accessor: RecordAccessor | undefined
  readonly #text = new JsonText()

  constructor(key: string) {
    const nested = key.startsWith('$')
    super(nested ? undefined : Buffer.from(key))
    if (nested) this.#accessor = RecordAccessor.parse(key, 'raw_log_key')
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

/** The map of the record, unchanged. */
class MapValue extends Value {
  override form: RecordForm = { format: 'map' }

  set(buf: Buffer, entry: Entry): void {
    this.src = buf
    this.start = entry.map
    this.length = entry.end - entry.map
  }
}

/**
 * Key of the timestamp, which precedes the fields of the record. A field with the same key replaces it. Only
 * chunks that may have such a field are searched for it.
 */
class TimeKey {
  readonly encoded: Buffer
  readonly #name: Buffer

  constructor(name: string) {
    this.#name = Buffer.from(name)
    this.encoded = encodeStr(name)
  }

  /** Returns the name to search for in the records of the chunk; undefined when no record has it. */
  in(chunk: Chunk): Buffer | undefined {
    return this.#name.length > 0 && mayHaveKey(chunk, this.encoded) ? this.#name : undefined
  }
}

/** The map of the record, with its time as the first pair, as float64 or text. */
class TimedMapValue extends Value {
  readonly #key: TimeKey
  readonly #timedForm: RecordForm
  readonly #time: Timestamp | undefined

  constructor(options: KafkaOptions) {
    super()
    this.#key = new TimeKey(timestampKeyOf(options))
    this.#time = options.timestampFormat === 'double' ? undefined : new Timestamp(options.timestampFormat)
    this.src = Buffer.allocUnsafe(4096)
    this.#timedForm = { format: 'timed', head: this.#key.encoded, time: options.timestampFormat }
  }

  override beginChunk(chunk: Chunk): void {
    this.fieldKey = this.#key.in(chunk)
    this.form = this.fieldKey === undefined ? this.#timedForm : undefined
  }

  set(buf: Buffer, { time: { sec, nsec }, map, end, value }: Entry): void {
    const key = this.#key.encoded
    const need = key.length + 48 + end - map
    if (need > this.src.length) this.src = Buffer.allocUnsafe(need * 2)
    const out = this.src
    if (value >= 0) {
      this.length = buf.copy(out, 0, map, end)
      return
    }
    let at = writeMapHead(out, 0, mapPairs(buf, map) + 1)
    at += key.copy(out, at)
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
  readonly #key: TimeKey
  readonly #jsonForm: RecordForm
  /** True when the encoder, which compares keys as bytes, does not find the key of the time in a record. */
  readonly #isEscaped: boolean

  constructor(options: KafkaOptions) {
    const form = new JsonValueFormat(options)
    super(form)
    this.#key = new TimeKey(timestampKeyOf(options))
    this.#jsonForm = { format: 'json', head: form.head, time: options.timestampFormat }
    this.#isEscaped = form.head.includes('\\')
  }

  override beginChunk(chunk: Chunk): void {
    const isUnsafe = this.#isEscaped && this.#key.in(chunk) !== undefined
    this.form = isUnsafe ? undefined : this.#jsonForm
  }
}

class JsonValueFormat implements TextFormat {
  /** `"@timestamp":`, followed by a quote when the time is a string; empty without a timestamp. */
  readonly head: Buffer
  readonly #time: Timestamp
  readonly #quoted: boolean

  constructor(options: KafkaOptions) {
    this.#quoted = options.timestampFormat !== 'double'
    this.#time = new Timestamp(options.timestampFormat)
    const key = timestampKeyOf(options)
    this.head = Buffer.from(key === '' ? '' : `${JSON.stringify(key)}:${this.#quoted ? '"' : ''}`)
  }

  write(text: JsonText, buf: Buffer, { time: { sec, nsec }, map }: Entry): void {
    text.byte(0x7b)
    const first = this.head.length > 0 ? text.at : -1
    if (first >= 0) {
      text.copy(this.head, 0, this.head.length)
      text.copy(this.#time.bytes, 0, this.#time.set(sec, nsec))
      if (this.#quoted) text.byte(0x22)
      if (mapPairs(buf, map) > 0) text.byte(0x2c)
    }
    text.pairs(buf, map, first)
    text.byte(0x7d)
  }
}
