import { type RecordAccessor, textHead, textLength } from '../../../../core/msgpack/record.ts'
import { JsonText } from '../../../../lib/json/msgpack-to-json.ts'
import type { Entry } from '../../../../lib/records/entry.ts'
import type { KafkaOptions } from '../options.ts'
import { accessorOf } from './accessor.ts'
import { type Span, takeText } from './field-text.ts'

const TAG = '$TAG'

/** The key of a Kafka record; after `set` it is `src[start, start + length)`, none if the length is -1. */
export class Key implements Span {
  src: Buffer = Buffer.alloc(0)
  start = 0
  length = -1
  readonly #fixed: string | undefined
  readonly #field: RecordAccessor | undefined
  readonly #text = new JsonText()
  /** That of records which bring none of their own. */
  #default: Buffer | undefined

  constructor(o: KafkaOptions) {
    this.#fixed = o.messageKey
    this.#field =
      o.messageKeyField === undefined ? undefined : accessorOf('message_key_field', o.messageKeyField)
  }

  /** All records of a chunk have the same one. */
  get same(): boolean {
    return this.#field === undefined
  }

  /** Of all records of the chunk, where it is the same. */
  get fixed(): Buffer | undefined {
    return this.#default
  }

  /** To be called for each chunk: what is fixed in it. */
  begin(tag: string): void {
    this.#default = this.#fixed === undefined ? undefined : Buffer.from(this.#fixed.replaceAll(TAG, tag))
    this.#take(this.#default)
  }

  set(buf: Buffer, { map, end }: Entry): void {
    if (this.#field === undefined) return
    const at = this.#field.find(buf, map, end)
    if (at < 0) this.#take(this.#default)
    else takeText(this, this.#text, buf, at)
  }

  #take(key: Buffer | undefined): void {
    if (key !== undefined) this.src = key
    this.start = 0
    this.length = key?.length ?? -1
  }
}

const FORBIDDEN = /[^a-zA-Z0-9._-]/g
const TOPIC_MAX = 249

/** Which topic a record goes to. */
export class TopicChoice {
  readonly #names: string[]
  readonly #field: RecordAccessor | undefined
  readonly #dynamic: boolean
  #default = ''
  #known = new Map<string, string>()
  /** The value that was looked up last, and what it came to: most records follow one of their kind. */
  #value: Buffer = Buffer.alloc(0)
  #last = ''

  constructor(o: KafkaOptions) {
    this.#names = o.topics
    this.#field = o.topicKey === undefined ? undefined : accessorOf('topic_key', o.topicKey)
    this.#dynamic = o.dynamicTopic
  }

  /** All records of a chunk have the same one. */
  get same(): boolean {
    return this.#field === undefined
  }

  /** To be called for each chunk; the topic of records that name none. */
  begin(tag: string): string {
    const names = this.#names.map((name) => (name.includes(TAG) ? legal(name.replaceAll(TAG, tag)) : name))
    this.#default = names[0] ?? ''
    this.#known = new Map(names.map((name) => [name, name]))
    this.#last = this.#default
    this.#value = Buffer.alloc(0)
    return this.#default
  }

  of(buf: Buffer, { map, end }: Entry): string {
    if (this.#field === undefined) return this.#default
    const at = this.#field.find(buf, map, end)
    const head = at < 0 ? -1 : textHead(buf, at)
    const length = head < 0 ? 0 : textLength(buf, at)
    if (length === 0) return this.#default
    const start = at + head
    if (this.#value.length === length && buf.compare(this.#value, 0, length, start, start + length) === 0)
      return this.#last
    this.#value = Buffer.from(buf.subarray(start, start + length))
    const name = this.#value.toString()
    this.#last = this.#known.get(name) ?? (this.#dynamic ? legal(name) : this.#default)
    return this.#last
  }
}

function legal(name: string): string {
  const text = name.replace(FORBIDDEN, '_').slice(0, TOPIC_MAX)
  return text === '.' || text === '..' ? '_' : text
}
