import type { Chunk } from '../../core/chunk.ts'
import { ShipperError } from '../../core/error.ts'
import { encodeStr, skip, writeMapHead, writeStrHead } from '../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../core/msgpack/record.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineFilter, type Filter, type FilterContext } from '../../core/plugin.ts'
import { DistinctKeys } from '../../lib/records/distinct-keys.ts'
import { EntryEdits, type RecordEdit } from '../../lib/records/entry-edits.ts'
import type { EntryOutput } from '../../lib/records/entry-output.ts'
import { KeyPatterns } from '../../lib/records/key-patterns.ts'
import { startsWith } from '../../lib/records/key-table.ts'
import { PairList } from '../../lib/records/pair-list.ts'

const OPTIONS = defineOptions({
  operation: {
    type: 'enum',
    values: ['nest', 'lift'],
    required: true,
    help: 'nest: move keys into a map. lift: move the pairs of a map into the record.',
  },
  wildcard: {
    type: 'string',
    repeat: true,
    help: 'Key that nest moves; `name*`: all keys with that prefix. Anywhere else a `*` is a character as any other.',
  },
  nest_under: { type: 'string', help: 'Key of the map into which nest moves.' },
  nested_under: { type: 'string', help: 'Key of the map whose pairs lift moves.' },
  add_prefix: {
    type: 'string',
    aliases: ['prefix_with'],
    help: 'Prefix that the moved keys get.',
  },
  remove_prefix: { type: 'string', help: 'Prefix that is taken from the moved keys that have it.' },
})

type Options = OptionsOf<typeof OPTIONS>

const MAX_HEAD_BYTES = 5
const NODES = 64
/** Number of moved pairs above which their memory is given back. */
const MAX_KEPT_NODES = 65_536

/** Writes the moved pairs, with their prefix added or removed. */
class MovedKeys {
  readonly #added: Buffer
  readonly #removed: Buffer
  /** True when keys stay as they are. */
  readonly isPlain: boolean

  constructor({ addPrefix = '', removePrefix = '' }: Options) {
    this.#added = Buffer.from(addPrefix)
    this.#removed = Buffer.from(removePrefix)
    this.isPlain = this.#added.length + this.#removed.length === 0
  }

  /** Number of bytes by which a key may grow. */
  get growth(): number {
    return this.#added.length + MAX_HEAD_BYTES
  }

  /** Writes the pair buf[at, end), whose value is at `value`. */
  write(buf: Buffer, at: number, value: number, end: number, out: EntryOutput): void {
    const head = textHead(buf, at)
    const start = at + head
    const length = head < 0 ? 0 : textLength(buf, at)
    const removed = this.#removed.length
    const isRemoved = removed > 0 && removed <= length && startsWith(buf, start, this.#removed)
    if (head < 0 || (this.#added.length === 0 && !isRemoved)) {
      out.copy(buf, at, end)
      return
    }
    const from = isRemoved ? start + removed : start
    out.reserve(length + this.growth)
    out.at = writeStrHead(out.buf, out.at, value - from + this.#added.length)
    out.copy(this.#added, 0, this.#added.length)
    out.copy(buf, from, end)
  }
}

/** Moves the keys that the patterns select into a map at the end of the record. */
class Nest implements RecordEdit {
  readonly list: PairList
  readonly #key: Buffer
  /** True when a pair with the key of the map is itself moved into it. */
  readonly #movesKey: boolean
  readonly #keys: MovedKeys
  readonly #distinct = new DistinctKeys()
  /** Nodes of the pairs that are moved. */
  #moved = new Int32Array(NODES)
  #count = 0

  constructor(options: Options, key: string) {
    const patterns = new KeyPatterns(options.wildcard)
    this.list = new PairList([key], patterns)
    this.#key = encodeStr(key)
    const name = Buffer.from(key)
    this.#movesKey = patterns.selects(name, 0, name.length)
    this.#keys = new MovedKeys(options)
  }

  edit(): boolean {
    const { list } = this
    this.#count = 0
    if (this.#moved.length > MAX_KEPT_NODES) this.#moved = new Int32Array(NODES)
    for (let node = list.nextPair(0); node !== 0; node = list.nextPair(node)) {
      if (list.keyOf(node) >= 0 && !this.#movesKey) continue
      this.#push(node)
      list.remove(node)
    }
    if (this.#count === 0) return false
    // What the record has under the key is replaced.
    list.removeKey(0)
    list.pairs++
    return true
  }

  append(buf: Buffer, out: EntryOutput): void {
    const { list } = this
    out.copy(this.#key, 0, this.#key.length)
    out.reserve(MAX_HEAD_BYTES)
    const map = out.at
    out.at = writeMapHead(out.buf, map, this.#count)
    for (let i = 0; i < this.#count; i++) {
      const node = this.#moved[i] as number
      this.#keys.write(buf, list.startOf(node), list.valueOf(node), list.endOf(node), out)
    }
    out.at = this.#distinct.settle(out.buf, map, out.at)
  }

  #push(node: number): void {
    if (this.#count === this.#moved.length) {
      const moved = new Int32Array(this.#count * 2)
      moved.set(this.#moved)
      this.#moved = moved
    }
    this.#moved[this.#count++] = node
  }
}

/** Moves the pairs of a map to the end of the record. */
class Lift implements RecordEdit {
  readonly list: PairList
  readonly #keys: MovedKeys
  readonly #distinct = new DistinctKeys()
  /** Range of the map. */
  #map = 0
  #end = 0

  constructor(options: Options, key: string) {
    this.list = new PairList([key])
    this.#keys = new MovedKeys(options)
  }

  edit(buf: Buffer): boolean {
    const { list } = this
    const node = list.last(0)
    if (node === 0) return false
    this.#map = list.valueOf(node)
    this.#end = list.endOf(node)
    const pairs = mapPairs(buf, this.#map)
    if (pairs < 0) return false
    list.removeKey(0)
    list.pairs += pairs
    return true
  }

  append(buf: Buffer, out: EntryOutput, map: number): void {
    const end = this.#end
    let at = mapBody(buf, this.#map)
    if (this.#keys.isPlain) out.copy(buf, at, end)
    else {
      for (let left = mapPairs(buf, this.#map); left > 0; left--) {
        const value = skip(buf, at, end)
        const next = skip(buf, value, end)
        this.#keys.write(buf, at, value, next, out)
        at = next
      }
    }
    out.at = this.#distinct.settle(out.buf, map, out.at)
  }
}

function editOf(options: Options): RecordEdit {
  const isNest = options.operation === 'nest'
  const { nestUnder, nestedUnder } = options
  if (options.addPrefix !== undefined && options.removePrefix !== undefined)
    throw badOptions('Add_prefix and Remove_prefix cannot be combined', 'remove_prefix', 'use two filters')
  // In fluent-bit the two are one option.
  const key = isNest ? (nestUnder ?? nestedUnder) : (nestedUnder ?? nestUnder)
  if (key === undefined) {
    const name = isNest ? 'Nest_under' : 'Nested_under'
    throw badOptions(
      `Operation ${options.operation} needs ${name}`,
      'operation',
      `name the key of the map with ${name}`,
    )
  }
  if (!isNest) return new Lift(options, key)
  if (options.wildcard.length > 0) return new Nest(options, key)
  throw badOptions(
    'Operation nest needs Wildcard',
    'operation',
    'name the keys to be moved, e.g. Wildcard k8s_*',
  )
}

function badOptions(message: string, option: string, hint: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { option, hint })
}

class NestFilter implements Filter {
  readonly #edits: EntryEdits

  constructor(options: Options, { buffers }: FilterContext) {
    this.#edits = new EntryEdits(buffers, 0, editOf(options))
  }

  apply(chunk: Chunk): void {
    this.#edits.apply(chunk)
  }
}

export const spec = defineFilter({
  kind: 'filter',
  name: 'nest',
  summary: 'Moves keys into a map, or the pairs of a map into the record.',
  description: `\`Operation nest\` moves the keys that Wildcard names into a map at the end of the record. With \`Wildcard k8s_*\`,
\`Nest_under k8s\` and \`Remove_prefix k8s_\`, \`{"k8s_pod":"web-1","k8s_node":"n7","log":"x"}\` becomes
\`{"log":"x","k8s":{"pod":"web-1","node":"n7"}}\`. A record without such a key stays as it is. What it had under Nest_under is replaced;
in fluent-bit it has that key twice.

**A record should pass the filter once.** If it comes again with a key that Wildcard matches, the new map replaces the first one, whose
pairs are lost. This happens when [rewrite_tag](filter-rewrite_tag.md) comes after the filter and gives a tag that Match of this filter
fits: use a Match that the new tag does not fit, such as \`app.*\`, or place the filter after rewrite_tag.

\`Operation lift\` does the opposite: with \`Nested_under k8s\` and \`Add_prefix k8s_\` that record becomes
\`{"log":"x","k8s_pod":"web-1","k8s_node":"n7"}\`. A record whose value is no map stays as it is. A pair of the map replaces one of the
record with the same key; in fluent-bit the record then has the key twice. If the record has Nested_under twice, the last map is lifted
and the others are removed.

Keys are names, and no accessors: a map within a map is lifted by two filters. Options with which the filter would do nothing are refused.`,
  options: OPTIONS,
  example:
    '[FILTER]\n    Name          nest\n    Match         *\n    Operation     nest\n    Wildcard      k8s_*\n    Nest_under    k8s\n    Remove_prefix k8s_\n',
  keepsPlaces: () => true,
  create: (options, ctx) => new NestFilter(options, ctx),
})
