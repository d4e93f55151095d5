import { randomUUID } from 'node:crypto'
import type { BufferSource } from '../../core/buffer-source.ts'
import { type Chunk, headRoom, TAIL_ROOM } from '../../core/chunk.ts'
import { encodeStr, skip, writeMapHead } from '../../core/msgpack/encode.ts'
import { entryMap, mapBody, mapPairs, textEquals, textHead, textLength } from '../../core/msgpack/record.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineFilter, type Filter, type FilterContext } from '../../core/plugin.ts'
import { mayHaveKey } from '../../lib/records/may-have-key.ts'

const OPTIONS = defineOptions({
  record: {
    type: 'slist',
    words: 2,
    form: 'KEY VALUE, e.g. `env production`',
    repeat: true,
    help: 'Add `KEY VALUE` to each record.',
  },
  remove_key: {
    type: 'string',
    repeat: true,
    help: 'Remove this key, ignoring case; `name*` removes all keys with that prefix.',
  },
  allowlist_key: {
    type: 'string',
    repeat: true,
    aliases: ['whitelist_key'],
    help: 'Remove every key that matches none of these; same syntax as Remove_key.',
  },
  uuid_key: { type: 'string', help: 'Add a random UUID under this key to each record.' },
})

const UUID_BYTES = 36
const MAX_MAP_HEAD_BYTES = 5

/**
 * A key pattern compared as in fluent-bit: ASCII letters ignore case, and `*` at the end matches any suffix.
 */
class KeyName {
  readonly #lower: Buffer
  readonly #isPrefix: boolean

  constructor(text: string) {
    this.#isPrefix = text.endsWith('*')
    const bytes = Buffer.from(this.#isPrefix ? text.slice(0, -1) : text)
    this.#lower = bytes.map((byte) => lower(byte)) as Buffer
  }

  matches(buf: Buffer, key: number): boolean {
    const head = textHead(buf, key)
    if (head < 0) return false
    const length = textLength(buf, key)
    const name = this.#lower
    if (this.#isPrefix ? length < name.length : length !== name.length) return false
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
  readonly #buffers: BufferSource
  readonly #added: Buffer
  readonly #addedPairs: number
  /** Keys of the added pairs, as MessagePack and as names. */
  readonly #addedKeys: { encoded: Buffer; name: Buffer }[]
  /**
   * Names of added keys that records of the current chunk may have. Their own fields with these keys are
   * removed.
   */
  #replaced: Buffer[] = []
  readonly #remove: KeyName[]
  readonly #allow: KeyName[]
  readonly #uuidKey: Buffer | undefined

  constructor(options: OptionsOf<typeof OPTIONS>, ctx: FilterContext) {
    this.#buffers = ctx.buffers
    const { uuidKey } = options
    // Of several values for a key the last one is added. The UUID comes after all of them.
    const added = new Map(options.record.map(([key = '', value = '']) => [key, value]))
    if (uuidKey !== undefined) added.delete(uuidKey)
    this.#added = Buffer.concat([...added].flatMap(([key, value]) => [encodeStr(key), encodeStr(value)]))
    const keys = [...added.keys(), ...(uuidKey === undefined ? [] : [uuidKey])]
    this.#addedPairs = keys.length
    this.#addedKeys = keys.map((key) => ({ encoded: encodeStr(key), name: Buffer.from(key) }))
    this.#remove = options.removeKey.map((key) => new KeyName(key))
    this.#allow = options.allowlistKey.map((key) => new KeyName(key))
    this.#uuidKey = options.uuidKey === undefined ? undefined : encodeStr(options.uuidKey)
  }

  /** Copies kept pairs unchanged and appends the new ones. */
  apply(chunk: Chunk): void {
    const { buf, end } = chunk
    const head = headRoom(chunk.tag)
    const growth =
      MAX_MAP_HEAD_BYTES +
      this.#added.length +
      (this.#uuidKey === undefined ? 0 : this.#uuidKey.length + 2 + UUID_BYTES)
    this.#replaced = this.#addedKeys
      .filter(({ encoded }) => mayHaveKey(chunk, encoded))
      .map(({ name }) => name)
    const out = this.#buffers.force(head + chunk.size + chunk.count * growth + TAIL_ROOM)
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
    let pos = to + buf.copy(out, to, at, map)
    const pairs = mapPairs(buf, map)
    const keepsAll = this.#remove.length + this.#allow.length + this.#replaced.length === 0
    const kept = keepsAll ? pairs : this.#countKept(buf, map, end, pairs)
    pos = writeMapHead(out, pos, kept + this.#addedPairs)
    let pair = mapBody(buf, map)
    if (kept === pairs) pos += buf.copy(out, pos, pair, end)
    else {
      for (let i = 0; i < pairs; i++) {
        const next = skip(buf, skip(buf, pair, end), end)
        if (this.#keeps(buf, pair)) pos += buf.copy(out, pos, pair, next)
        pair = next
      }
    }
    pos += this.#added.copy(out, pos)
    if (this.#uuidKey === undefined) return pos
    pos += this.#uuidKey.copy(out, pos)
    out[pos] = 0xd9
    out[pos + 1] = UUID_BYTES
    return pos + 2 + out.write(randomUUID(), pos + 2, 'latin1')
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
    for (const name of this.#replaced) if (textEquals(buf, key, name)) return false
    if (this.#allow.length === 0) return true
    for (const name of this.#allow) if (name.matches(buf, key)) return true
    return false
  }
}

export const spec = defineFilter({
  kind: 'filter',
  name: 'record_modifier',
  summary: 'Adds fields to records and removes keys.',
  description:
    'Added fields come after the existing ones and replace fields of the same name. A record whose keys ' +
    'are all removed is kept as an empty record; fluent-bit drops it.',
  options: OPTIONS,
  example:
    '[FILTER]\n    Name       record_modifier\n    Match      *\n    Record     host web1\n    Remove_key secret\n',
  create: (options, ctx) => new RecordModifier(options, ctx),
})
