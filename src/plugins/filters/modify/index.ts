import type { Chunk } from '../../../core/chunk.ts'
import { defineFilter, type Filter, type FilterContext } from '../../../core/plugin.ts'
import { EntryEdits, type RecordEdit } from '../../../lib/records/entry-edits.ts'
import type { PairList } from '../../../lib/records/pair-list.ts'
import { regexCounter } from '../../../lib/regex/counters.ts'
import { type ConditionTest, conditionTest } from './conditions.ts'
import { conditionOf, MODIFY_OPTIONS, type ModifyOptions, ruleOf } from './options.ts'
import { compileRules, KeyNames, type Rule } from './rules.ts'

/** Applies rules to records for which all conditions hold. */
class Modify implements Filter, RecordEdit {
  readonly list: PairList
  readonly addedBytes: number
  readonly #edits: EntryEdits
  readonly #rules: readonly Rule[]
  readonly #conditions: readonly ConditionTest[]

  constructor(options: ModifyOptions, { buffers, regexLimit }: FilterContext) {
    const keys = new KeyNames()
    this.#conditions = options.condition.map((text) =>
      conditionTest(conditionOf(text), (key) => keys.index(key), regexLimit),
    )
    const { rules, list } = compileRules(options.set.map(ruleOf), keys, regexLimit)
    this.list = list
    this.#rules = rules
    this.addedBytes = list.extra.length
    this.#edits = new EntryEdits(buffers, this.addedBytes, this)
  }

  apply(chunk: Chunk): void {
    this.#edits.apply(chunk)
  }

  edit(buf: Buffer, map: number, end: number): boolean {
    const { list } = this
    for (const condition of this.#conditions) if (!condition.holds(list, buf, map, end)) return false
    let isChanged = false
    for (const rule of this.#rules) if (rule.apply(list, buf)) isChanged = true
    return isChanged
  }
}

export const spec = defineFilter({
  kind: 'filter',
  name: 'modify',
  summary: 'Adds, removes, renames, copies and moves keys of records, if conditions hold.',
  description: `Rules are applied in the order in which they are written, each to what the one before it has left:

| rule | what it does |
|---|---|
| \`Set KEY VALUE\` | adds the pair at the end; a pair with the key is removed |
| \`Add KEY VALUE\` | adds the pair at the end, unless there is one with the key; \`Add_if_not_present\` is the same |
| \`Remove KEY\` | removes the key |
| \`Remove_wildcard PREFIX\` | removes all keys that begin with PREFIX; a \`*\` in it is a character as any other |
| \`Remove_regex EXPRESSION\` | removes all keys that match |
| \`Rename KEY NEW\` | renames the key in its place, unless there is one with the new name |
| \`Hard_rename KEY NEW\` | does the same; a pair with the new name is removed |
| \`Copy KEY NEW\` | adds a copy of the value after the pair, unless there is one with the new name |
| \`Hard_copy KEY NEW\` | does the same; a pair with the new name is removed |
| \`Move_to_start PREFIX\`, \`Move_to_end PREFIX\` | moves all keys that begin with PREFIX, in their order |

Keys are names, compared with their case; \`a.b\` and \`$a\` are names, too. A word with blanks has to be in quotation marks:
\`Set note "one two"\`. Only if the last word is a variable, as in \`Set note ${'$'}{NOTE}\`, may its value have blanks without quotation marks. Values are texts.

All conditions must hold, for the record as it came:

| condition | holds when |
|---|---|
| \`Key_exists KEY\`, \`Key_does_not_exist KEY\` | |
| \`A_key_matches EXPRESSION\`, \`No_key_matches EXPRESSION\` | a key, or none, of the record matches |
| \`Key_value_equals KEY VALUE\` | the value is a string, and this one |
| \`Key_value_does_not_equal KEY VALUE\` | there is a value, and it is another one |
| \`Key_value_matches KEY EXPRESSION\` | the value is a string, true or false, and matches |
| \`Key_value_does_not_match KEY EXPRESSION\` | there is a value, and it does not |
| \`Matching_keys_have_matching_values KEYS VALUES\` | every key that matches KEYS has a value that matches VALUES; if no key matches KEYS, the condition holds |
| \`Matching_keys_do_not_have_matching_values KEYS VALUES\` | the condition above does not hold |

KEY of a condition may be a record accessor: \`$kubernetes['host']\`. A record on which an expression reaches Regex_Step_Limit satisfies no
condition with it, and keeps a key on which Remove_regex reaches it; both are counted.

If a record has a key twice, the last value counts: it is the one that is renamed or copied, and no rule leaves two pairs with a key
that it writes. fluent-bit renames both, and copies neither. A Hard_rename or Hard_copy of a key to itself does nothing; in fluent-bit it removes the key.`,
  options: MODIFY_OPTIONS,
  example:
    '[FILTER]\n    Name      modify\n    Match     *\n    Condition Key_exists msg\n    Rename    msg message\n    Add       env production\n    Remove    pid\n',
  counters: regexCounter('condition', 'remove'),
  keepsPlaces: () => true,
  create: (options, ctx) => new Modify(options, ctx),
})
