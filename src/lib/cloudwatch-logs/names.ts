import type { Chunk } from '../../core/chunk.ts'
import { JsonText } from '../json/msgpack-to-json.ts'
import { Entry } from '../records/entry.ts'
import { TagText, Template } from '../records/template.ts'
import { Entities } from './entity.ts'
import { type CloudwatchLogsOptions, isGoTemplate } from './options.ts'
import { groupNameOf, keyOf, streamNameOf } from './place.ts'

/** Finds the log stream of records, as the key of their requests. */
export class StreamNames {
  readonly #group: string
  readonly #stream: string | undefined
  readonly #prefix: string
  readonly #groupTemplate: Template | undefined
  readonly #streamTemplate: Template | undefined
  readonly #entities: Entities | undefined
  readonly #entry = new Entry()
  readonly #tag = new TagText()
  readonly #text = new JsonText()
  #lastTag: string | undefined
  /** The texts of the last record, the end of the first, and its key. */
  #last: Buffer = Buffer.alloc(0)
  #lastEnd = -1
  #key = ''

  constructor(options: CloudwatchLogsOptions) {
    const { logGroupName, logStreamName, logStreamPrefix, logGroupTemplate, logStreamTemplate } = options
    this.#group = logGroupName
    this.#stream = logStreamName
    this.#prefix = logStreamPrefix ?? ''
    this.#groupTemplate = templateOf(logGroupTemplate, 'log_group_template')
    this.#streamTemplate = templateOf(logStreamTemplate, 'log_stream_template')
    this.#entities = options.addEntity ? new Entities() : undefined
  }

  /** True when records of one chunk may have different streams. */
  get isPerRecord(): boolean {
    const templates = [this.#groupTemplate, this.#streamTemplate]
    return this.#entities !== undefined || templates.some((template) => template?.isPerTag === false)
  }

  /** Returns the key of all records of a chunk. */
  ofChunk(chunk: Chunk): string {
    this.#tag.set(chunk.tag)
    return this.#keyOf(chunk, -1, chunk.end)
  }

  /** Returns the key of the record whose entry is at `start`. */
  ofRecord(chunk: Chunk, start: number): string {
    if (chunk.tag !== this.#lastTag) {
      this.#tag.set(chunk.tag)
      this.#lastTag = chunk.tag
      this.#lastEnd = -1
    }
    this.#entry.read(chunk, start)
    return this.#keyOf(chunk, this.#entry.map, this.#entry.end)
  }

  #keyOf({ tag, buf }: Chunk, map: number, end: number): string {
    const text = this.#text
    text.reset()
    this.#groupTemplate?.write(text, this.#tag, buf, map, end)
    const groupEnd = text.at
    this.#streamTemplate?.write(text, this.#tag, buf, map, end)
    const streamEnd = text.at
    if (map >= 0) {
      this.#entities?.write(text, buf, map, end)
      if (this.#isLast(groupEnd)) return this.#key
    }
    const stream = streamNameOf(text.buf.toString('utf8', groupEnd, streamEnd))
    this.#key = keyOf({
      group: groupNameOf(text.buf.toString('utf8', 0, groupEnd)) || this.#group,
      stream: stream || streamNameOf(this.#stream ?? `${this.#prefix}${tag}`),
      entity: text.buf.toString('utf8', streamEnd, text.at),
    })
    this.#last = Buffer.from(text.bytes())
    this.#lastEnd = groupEnd
    return this.#key
  }

  /** True when the texts are those of the last record of the same tag. */
  #isLast(groupEnd: number): boolean {
    const { buf, at } = this.#text
    return groupEnd === this.#lastEnd && at === this.#last.length && this.#last.compare(buf, 0, at) === 0
  }
}

function templateOf(text: string | undefined, option: string): Template | undefined {
  return text === undefined ? undefined : Template.parse(text, { option, parentheses: isGoTemplate(text) })
}
