import type { Chunk } from '../../../core/chunk.ts'
import { ShipperError } from '../../../core/error.ts'
import { skip } from '../../../core/msgpack/encode.ts'
import { type InvalidValue, invalidIfThrows } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { defineFilter, type Filter, type FilterContext } from '../../../core/plugin.ts'
import { dottedKey, RecordAccessor } from '../../../lib/records/accessor.ts'
import { EntryEdits, type RecordEdit } from '../../../lib/records/entry-edits.ts'
import { ListedValue } from '../../../lib/records/listed-value.ts'
import { PairList } from '../../../lib/records/pair-list.ts'
import {
  AS_IT_IS,
  type Conversion,
  conversionOf,
  MAX_CONVERTED_BYTES,
  NONE,
  type SourceType,
  TARGET_TYPES,
  targetType,
} from './conversion.ts'

const FORM = 'SOURCE NEW TYPE, e.g. `status code string`'

function ruleOption<const T extends SourceType>(source: T, what: string) {
  return {
    type: 'slist',
    words: 3,
    form: FORM,
    repeat: true,
    check: (words: string[]) => checkRule(words, source),
    help: `Add the value of SOURCE, if it is ${what}, under the key NEW as TYPE: int, uint, float, hex, string or bool.`,
  } as const
}

const OPTIONS = defineOptions({
  str_key: ruleOption('string', 'a string'),
  int_key: ruleOption('int', 'an integer'),
  uint_key: ruleOption('uint', 'an integer'),
  float_key: ruleOption('float', 'a number with a fraction'),
})

type Options = OptionsOf<typeof OPTIONS>

function checkRule([source = '', , type = '']: string[], from: SourceType): InvalidValue | undefined {
  const must = FORM
  const invalid = invalidIfThrows(must, () => RecordAccessor.parseLoose(source))
  if (invalid !== undefined) return invalid
  const target = targetType(type)
  if (target === undefined)
    return { must, reason: `"${type}" is no type`, hint: `the types are ${TARGET_TYPES.join(', ')}` }
  if (conversionOf(from, target) === undefined)
    return { must, doubt: `converts nothing: ${from} to ${target}` }
  const dotted = dottedKey(source)
  return dotted === undefined ? undefined : { must, doubt: `${source} ${dotted}` }
}

interface Rule {
  source: ListedValue
  /** Index of the new key in the list. */
  key: number
  convert: Conversion
}

/** Adds converted values at the end of a record. All values are those that it came with. */
class TypeConverter implements Filter, RecordEdit {
  readonly list: PairList
  readonly #rules: readonly Rule[]
  /** Offset of each rule's value, or -1. */
  readonly #values: Int32Array
  /** Offset in `extra` of the list after its keys: the converted values follow. */
  readonly #converted: number
  readonly #edits: EntryEdits

  constructor(options: Options, { buffers }: FilterContext) {
    const keys: string[] = []
    this.#rules = rulesOf(options, keys)
    this.#values = new Int32Array(this.#rules.length)
    this.list = new PairList(keys)
    this.#converted = this.list.addExtra(Buffer.alloc(this.#rules.length * MAX_CONVERTED_BYTES)).from
    this.#edits = new EntryEdits(buffers, this.list.extra.length, this)
  }

  apply(chunk: Chunk): void {
    this.#edits.apply(chunk)
  }

  edit(buf: Buffer, map: number, end: number): boolean {
    const rules = this.#rules
    const values = this.#values
    for (let i = 0; i < rules.length; i++)
      values[i] = (rules[i] as Rule).source.find(this.list, buf, map, end)
    let isChanged = false
    let at = this.#converted
    for (let i = 0; i < rules.length; i++) {
      const value = values[i] as number
      if (value < 0) continue
      const { key, convert } = rules[i] as Rule
      const { list } = this
      const to = convert(buf, value, list.extra, at)
      if (to === NONE) continue
      list.removeKey(key)
      if (to === AS_IT_IS) list.appendOwn(key, value, skip(buf, value, end))
      else {
        list.append(key, at, to)
        at = to
      }
      isChanged = true
    }
    return isChanged
  }
}

/** Returns the rules in the order in which fluent-bit applies them; adds the keys that the list needs to `keys`. */
function rulesOf(options: Options, keys: string[]): Rule[] {
  const all: [SourceType, string[][]][] = [
    ['string', options.strKey],
    ['int', options.intKey],
    ['uint', options.uintKey],
    ['float', options.floatKey],
  ]
  if (all.every(([, rules]) => rules.length === 0))
    throw new ShipperError('E_CONFIG_BAD_VALUE', 'there is no rule: records would stay as they are', {
      hint: 'add a rule such as Int_key status status_text string',
    })
  return all.flatMap(([from, rules]) =>
    rules.flatMap(([source = '', name = '', type = '']) => {
      const target = targetType(type)
      const convert = target === undefined ? undefined : conversionOf(from, target)
      if (convert === undefined) return []
      const index = (key: string): number => {
        if (!keys.includes(key)) keys.push(key)
        return keys.indexOf(key)
      }
      return [
        { source: new ListedValue(RecordAccessor.parseLoose(source), index), key: index(name), convert },
      ]
    }),
  )
}

export const spec = defineFilter({
  kind: 'filter',
  name: 'type_converter',
  summary: 'Adds values of a record under other keys with other types.',
  description: `Each rule adds a pair at the end of the record and keeps its source: with \`Int_key status code string\`
\`{"status":200}\` becomes \`{"status":200,"code":"200"}\`. SOURCE may be a record accessor (\`$http['status']\`), NEW is a name. A pair that
has the key NEW already is replaced, so \`Int_key status status string\` converts the value itself; it moves to the end. Rules are applied
in the order Str_key, Int_key, Uint_key, Float_key, all to the values with which the record came.

| from | to int, uint | to float | to string | to hex | to bool |
|---|---|---|---|---|---|
| Str_key | decimal digits with an optional sign | a decimal number | | hex digits, with or without \`0x\` | true or false in any case |
| Int_key, Uint_key | an integer that has the range of the type | a float64 | decimal digits | | |
| Float_key | the fraction is cut off | | the shortest text, with \`.0\` if it is whole, from 1e18 on with an exponent | | |

A value of another type than the rule is for, or one that has no form of TYPE, adds nothing: \`12ms\` is no integer, -3 no uint, and 1.5e3
no int (in fluent-bit they become 12, 18446744073709551613 and 1). A text that is neither true nor false is added as it is, as in
fluent-bit. Integers keep all their 64 bits.`,
  options: OPTIONS,
  example:
    '[FILTER]\n    Name    type_converter\n    Match   *\n    Int_key status code string\n    Str_key took took_ms float\n',
  keepsPlaces: () => true,
  create: (options, ctx) => new TypeConverter(options, ctx),
})
