import { textHead, textLength } from '../../../../core/msgpack/record.ts'
import { JsonText } from '../../../../lib/json/msgpack-to-json.ts'
import { RecordAccessor } from '../../../../lib/records/accessor.ts'
import type { Entry } from '../../../../lib/records/entry.ts'
import type { KafkaOptions } from '../options.ts'
import { type Span, setFieldText } from './field-text.ts'

const TAG = '$TAG'

/** Key of a Kafka record; after `set` it is `src[start, start + length)`. A length of -1 means no key. */
export class Key implements Span {
  src: Buffer = Buffer.alloc(0)
  start = 0
  length = -1
  readonly #template: string | undefined
  readonly #field: RecordAccessor | undefined
  readonly #text = new JsonText()
  /** Key of records without a key field. */
  #default: Buffer | undefined

  constructor({ messageKey, messageKeyField }: KafkaOptions) {
    this.#template = messageKey
    this.#field =
      messageKeyField === undefined ? undefined : RecordAccessor.parse(messageKeyField, 'message_key_field')
  }

  /** True when all records of a chunk have the same key. */
  get isFixed(): boolean {
    return this.#field === undefined
  }

  /** Key of the records without a key field; undefined: no key. */
  get fixedKey(): Buffer | undefined {
    return this.#default
  }

  /** Sets the key that depends on the tag only; called once per chunk. */
  beginChunk(tag: string): void {
    this.#default =
      this.#template === undefined ? undefined : Buffer.from(this.#template.replaceAll(TAG, tag))
    this.#take(this.#default)
  }

  set(buf: Buffer, { map, end }: Entry): void {
    if (this.#field === undefined) return
    const at = this.#field.find(buf, map, end)
    if (at < 0) this.#take(this.#default)
    else setFieldText(this, this.#text, buf, at)
  }

  #take(key: Buffer | undefined): void {
    if (key !== undefined) this.src = key
    this.start = 0
    this.length = key?.length ?? -1
  }
}

const ILLEGAL_CHARS = /[^a-zA-Z0-9._-]/g
const MAX_TOPIC_LENGTH = 249

/** Selects the topic of a record. */
export class TopicSelector {
  readonly #names: string[]
  readonly #field: RecordAccessor | undefined
  readonly #isDynamic: boolean
  #default = ''
  #topics = new Map<string, string>()
  /** Value of the last lookup, and the topic it selected: most records have the value of the one before. */
  #lastValue: Buffer = Buffer.alloc(0)
  #lastTopic = ''

  constructor({ topics, topicKey, dynamicTopic }: KafkaOptions) {
    this.#names = topics
    this.#field = topicKey === undefined ? undefined : RecordAccessor.parse(topicKey, 'topic_key')
    this.#isDynamic = dynamicTopic
  }

  /** True when all records of a chunk have the same topic. */
  get isFixed(): boolean {
    return this.#field === undefined
  }

  /** True when a topic is none that the configuration names. */
  isChosen(topic: string): boolean {
    return topic.includes(TAG) || !this.#names.includes(topic)
  }

  /** Fills in the tag; called once per chunk. Returns the topic of records that name none. */
  beginChunk(tag: string): string {
    const names = this.#names.map((name) =>
      name.includes(TAG) ? legalTopic(name.replaceAll(TAG, tag)) : name,
    )
    this.#default = names[0] ?? ''
    this.#topics = new Map(names.map((name) => [name, name]))
    this.#lastTopic = this.#default
    this.#lastValue = Buffer.alloc(0)
    return this.#default
  }

  topicFor(buf: Buffer, { map, end }: Entry): string {
    if (this.#field === undefined) return this.#default
    const at = this.#field.find(buf, map, end)
    const head = at < 0 ? -1 : textHead(buf, at)
    const length = head < 0 ? 0 : textLength(buf, at)
    if (length === 0) return this.#default
    const start = at + head
    if (
      this.#lastValue.length === length &&
      buf.compare(this.#lastValue, 0, length, start, start + length) === 0
    )
      return this.#lastTopic
    this.#lastValue = Buffer.from(buf.subarray(start, start + length))
    const name = this.#lastValue.toString()
    this.#lastTopic = this.#topics.get(name) ?? (this.#isDynamic ? legalTopic(name) : this.#default)
    return this.#lastTopic
  }
}

function legalTopic(name: string): string {
  const text = name.replace(ILLEGAL_CHARS, '_').slice(0, MAX_TOPIC_LENGTH)
  return text === '.' || text === '..' ? '_' : text
}
