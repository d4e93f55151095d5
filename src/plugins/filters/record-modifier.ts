import { randomUUID } from 'node:crypto'
import { type Chunk, headRoom, TAIL_ROOM } from '../../core/chunk.ts'
import { encodeStr, skip, writeMapHead } from '../../core/msgpack/encode.ts'
import { entryMap, mapBody, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineFilter, type Filter, type FilterContext } from '../../core/plugin.ts'

const OPTIONS = defineOptions({
  record: { type: 'slist', words: 2, repeat: true, help: 'Add `KEY VALUE` to each record.' },
  remove_key: {
    type: 'string',
    repeat: true,
    help: 'Remove this key, whatever its case; `name*`: all that begin so.',
  },
  allowlist_key: {
    type: 'string',
    repeat: true,
    aliases: ['whitelist_key'],
    help: 'Remove every key that is not named by one of these, written as in Remove_key.',
  },
  uuid_key: { type: 'string', help: 'Add a random UUID under this key to each record.' },
})

const UUID_BYTES = 36
const MAX_MAP_HEAD_BYTES = 5

/** A key as fluent-bit compares it: ASCII letters in either case, and `*` at the end for any rest. */
class KeyName {
  readonly #lower: Buffer
  readonly #prefix: boolean

  constructor(text: string) {
    this.#prefix = text.endsWith('*')
    const bytes = Buffer.from(this.#prefix ? text.slice(0, -1) : text)
    this.#lower = bytes.map((byte) => lower(byte)) as Buffer
  }

  matches(buf: Buffer, key: number): boolean {
    const head = textHead(buf, key)
    if (head < 0) return false
    const length = textLength(buf, key)
    const name = this.#lower
    if (this.#prefix ? length < name.length : length !== name.length) return false
    for (let i = 0; i < name.length; i++) {
      if (lower(buf[key + head + i] as number) !== name[i]) return false
    }
    return true
  }
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte
}

class RecordModifier implements Filter {
  readonly #ctx: FilterContext
  readonly #added: Buffer
  readonly #addedPairs: number
  readonly #remove: KeyName[]
  readonly #allow: KeyName[]
  readonly #uuidKey: Buffer | undefined

  constructor(options: OptionsOf<typeof OPTIONS>, ctx: FilterContext) {
    this.#ctx = ctx
    this.#added = Buffer.concat(
      options.record.flatMap(([key = '', value = '']) => [encodeStr(key), encodeStr(value)]),
    )
    this.#addedPairs = options.record.length + (options.uuidKey === undefined ? 0 : 1)
    this.#remove = options.removeKey.map((key) => new KeyName(key))
    this.#allow = options.allowlistKey.map((key) => new KeyName(key))
    this.#uuidKey = options.uuidKey === undefined ? undefined : encodeStr(options.uuidKey)
  }

  /** Kept pairs are copied as they are; new ones follow them. */
  apply(chunk: Chunk): void {
    const { buf, end } = chunk
    const head = headRoom(chunk.tag)
    const more =
      MAX_MAP_HEAD_BYTES +
      this.#added.length +
      (this.#uuidKey === undefined ? 0 : this.#uuidKey.length + 2 + UUID_BYTES)
    const out = this.#ctx.buffers.force(head + chunk.size + chunk.count * more + TAIL_ROOM)
    let to = head
    for (let at = chunk.start; at < end; ) {
      const next = skip(buf, at, end)
      const map = entryMap(buf, at, end)
      to = map < 0 ? to + buf.copy(out, to, at, next) : this.#writeEntry(buf, at, map, next, out, to)
      at = next
    }
    chunk.replace(out, head, to, chunk.count)
  }

  #writeEntry(buf: Buffer, at: number, map: number, end: number, out: Buffer, to: number): number {
    let o = to + buf.copy(out, to, at, map)
    const pairs = mapPairs(buf, map)
    const kept =
      this.#remove.length === 0 && this.#allow.length === 0 ? pairs : this.#countKept(buf, map, end, pairs)
    o = writeMapHead(out, o, kept + this.#addedPairs)
    let pair = mapBody(buf, map)
    if (kept === pairs) o += buf.copy(out, o, pair, end)
    else {
      for (let i = 0; i < pairs; i++) {
        const next = skip(buf, skip(buf, pair, end), end)
        if (this.#keeps(buf, pair)) o += buf.copy(out, o, pair, next)
        pair = next
      }
    }
    o += this.#added.copy(out, o)
    if (this.#uuidKey === undefined) return o
    o += this.#uuidKey.copy(out, o)
    out[o] = 0xd9
    out[o + 1] = UUID_BYTES
    return o + 2 + out.write(randomUUID(), o + 2, 'latin1')
  }

  #countKept(buf: Buffer, map: number, end: number, pairs: number): number {
    let kept = 0
    let pair = mapBody(buf, map)
    for (let i = 0; i < pairs; i++) {
      if (this.#keeps(buf, pair)) kept++
      pair = skip(buf, skip(buf, pair, end), end)
    }
    return kept
  }

  #keeps(buf: Buffer, key: number): boolean {
    for (const name of this.#remove) if (name.matches(buf, key)) return false
    if (this.#allow.length === 0) return true
    for (const name of this.#allow) if (name.matches(buf, key)) return true
    return false
  }
}

export const spec = defineFilter({
  kind: 'filter',
  name: 'record_modifier',
  summary: 'Adds pairs to records and removes keys.',
  description:
    'A key that is added is put behind the others; one of that name that is there already stays. A record whose keys ' +
    'are all removed stays too, as an empty one: fluent-bit drops it.',
  options: OPTIONS,
  example:
    '[FILTER]\n    Name       record_modifier\n    Match      *\n    Record     host web1\n    Remove_key secret\n',
  create: (options, ctx) => new RecordModifier(options, ctx),
})
