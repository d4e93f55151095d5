import type { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import { encodeStr } from '../../core/msgpack/encode.ts'
import type { InvalidValue } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { unquoted } from '../../core/options/words.ts'
import { defineFilter, type Filter, type FilterContext } from '../../core/plugin.ts'
import { EntryEdits, type RecordEdit } from '../../lib/records/entry-edits.ts'
import type { EntryOutput } from '../../lib/records/entry-output.ts'
import { KeyPatterns } from '../../lib/records/key-patterns.ts'
import { PairList } from '../../lib/records/pair-list.ts'
import { RandomUuids, UUID_BYTES } from '../../lib/text/random-uuids.ts'

/** A list of keys in one option would remove, or keep, nothing. */
function checkKey(key: unknown): InvalidValue | undefined {
  if (!/[\s,]/.test(key as string)) return undefined
  return { must: 'a key', doubt: `is one key, "${key}": each key needs a line of its own` }
}

const OPTIONS = defineOptions({
  record: {
    type: 'slist',
    words: 2,
    form: 'KEY VALUE, e.g. `env production`',
    repeat: true,
    help: 'Add `KEY VALUE` to each record; VALUE is the rest of the line, without quotation marks around it.',
  },
  remove_key: {
    type: 'string',
    repeat: true,
    check: checkKey,
    help: 'Remove this key, ignoring case; `name*` removes all keys with that prefix.',
  },
  allowlist_key: {
    type: 'string',
    repeat: true,
    check: checkKey,
    aliases: ['whitelist_key'],
    help: 'Remove every key that matches none of these; same syntax as Remove_key, with which it cannot be combined.',
  },
  uuid_key: { type: 'string', help: 'Add a random UUID under this key to each record.' },
})

/** Type of a text of at most 255 bytes. */
const STR8 = 0xd9

/** Removes pairs by their keys and adds pairs at the end. */
class RecordModifier implements Filter, RecordEdit {
  readonly list: PairList
  readonly addedBytes: number
  /** Pairs to be added, and the key of the UUID after them. */
  readonly #added: Buffer
  readonly #addedPairs: number
  readonly #uuids: RandomUuids | undefined
  readonly #edits: EntryEdits

  constructor(options: OptionsOf<typeof OPTIONS>, { buffers }: FilterContext) {
    const { uuidKey, removeKey, allowlistKey } = options
    if (removeKey.length > 0 && allowlistKey.length > 0)
      throw new ShipperError('E_CONFIG_BAD_VALUE', 'Remove_key and Allowlist_key cannot be combined', {
        option: 'remove_key',
        hint: 'a key that Allowlist_key does not name is removed already; to remove some of those that it names, use two filters',
      })
    // Of several values for a key the last one is added. The UUID comes after all of them.
    const added = new Map<string, string>()
    for (const [key = '', value = ''] of options.record) {
      added.delete(key)
      added.set(key, unquoted(value))
    }
    if (uuidKey !== undefined) added.delete(uuidKey)
    const pairs = [...added].flatMap(([key, value]) => [encodeStr(key), encodeStr(value)])
    const uuid = uuidKey === undefined ? [] : [encodeStr(uuidKey), Buffer.from([STR8, UUID_BYTES])]
    const keys = [...added.keys(), ...(uuidKey === undefined ? [] : [uuidKey])]
    this.#added = Buffer.concat([...pairs, ...uuid])
    this.#addedPairs = keys.length
    this.#uuids = uuidKey === undefined ? undefined : new RandomUuids()
    const isInverted = allowlistKey.length > 0
    const patterns = isInverted ? allowlistKey : removeKey
    const selector =
      patterns.length === 0 ? undefined : new KeyPatterns(patterns, { ignoresCase: true, isInverted })
    this.list = new PairList(keys, selector)
    this.addedBytes = this.#added.length + UUID_BYTES
    this.#edits = new EntryEdits(buffers, this.addedBytes, this)
  }

  apply(chunk: Chunk): void {
    this.#edits.apply(chunk)
  }

  /** Removes all pairs that are nodes of their own: those with a key that is added, and those that were selected. */
  edit(): boolean {
    const { list } = this
    let isChanged = this.#addedPairs > 0
    for (let node = list.nextPair(0); node !== 0; node = list.nextPair(node)) {
      list.remove(node)
      isChanged = true
    }
    list.pairs += this.#addedPairs
    return isChanged
  }

  append(_buf: Buffer, out: EntryOutput): void {
    out.copy(this.#added, 0, this.#added.length)
    if (this.#uuids === undefined) return
    out.reserve(UUID_BYTES)
    out.at = this.#uuids.write(out.buf, out.at)
  }
}

export const spec = defineFilter({
  kind: 'filter',
  name: 'record_modifier',
  summary: 'Adds fields to records and removes keys.',
  description:
    'Added fields come after the existing ones and replace fields of the same name. A record whose keys ' +
    'are all removed is kept as an empty record; fluent-bit drops it. Values are strings, no record accessors.',
  options: OPTIONS,
  example:
    '[FILTER]\n    Name       record_modifier\n    Match      *\n    Record     host web1\n    Remove_key secret\n',
  keepsPlaces: () => true,
  create: (options, ctx) => new RecordModifier(options, ctx),
})
