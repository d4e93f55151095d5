import { type InvalidValue, invalidIfThrows } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { dottedKey, RecordAccessor } from '../../../lib/records/accessor.ts'
import { matcherOf } from '../../../lib/regex/line-matcher.ts'
import { translateOnigmo } from '../../../lib/regex/onigmo.ts'

/** What a word of a rule or condition is. */
type Word = 'key' | 'text' | 'prefix' | 'expression' | 'accessor'

/** Words of each rule, by its name. */
const RULES = {
  set: ['key', 'text'],
  add: ['key', 'text'],
  add_if_not_present: ['key', 'text'],
  remove: ['key'],
  remove_wildcard: ['prefix'],
  remove_regex: ['expression'],
  rename: ['key', 'key'],
  hard_rename: ['key', 'key'],
  copy: ['key', 'key'],
  hard_copy: ['key', 'key'],
  move_to_start: ['prefix'],
  move_to_end: ['prefix'],
} as const satisfies Record<string, readonly Word[]>

const CONDITIONS = {
  key_exists: ['accessor'],
  key_does_not_exist: ['accessor'],
  a_key_matches: ['expression'],
  no_key_matches: ['expression'],
  key_value_equals: ['accessor', 'text'],
  key_value_does_not_equal: ['accessor', 'text'],
  key_value_matches: ['accessor', 'expression'],
  key_value_does_not_match: ['accessor', 'expression'],
  matching_keys_have_matching_values: ['expression', 'expression'],
  matching_keys_do_not_have_matching_values: ['expression', 'expression'],
} as const satisfies Record<string, readonly Word[]>

export type RuleName = keyof typeof RULES
export type ConditionName = keyof typeof CONDITIONS

/** A rule or a condition with its words; `b` is empty where there is one word. */
export interface Named<Name> {
  name: Name
  a: string
  b: string
}

const FORMS: Record<Word, string> = {
  key: 'KEY',
  text: 'VALUE',
  prefix: 'PREFIX',
  expression: 'EXPRESSION',
  accessor: 'KEY',
}

export const MODIFY_OPTIONS = defineOptions({
  set: {
    type: 'string',
    repeat: true,
    named: true,
    aliases: Object.keys(RULES).filter((name) => name !== 'set'),
    check: (text: string, isExpanded) => check(text, RULES, isExpanded),
    help: 'A rule. Rules are applied in the order in which they are written, each to what the one before it has left. They are described above.',
  },
  condition: {
    type: 'string',
    repeat: true,
    check: (text: string, isExpanded) => check(text, CONDITIONS, isExpanded),
    help: 'A condition, e.g. `Key_value_equals level debug`. All conditions must hold, for the record as it came, or it is left as it is.',
  },
})

export type ModifyOptions = OptionsOf<typeof MODIFY_OPTIONS>

/** Returns the parts of a rule whose text was checked. */
export function ruleOf(text: string): Named<RuleName> {
  return partsOf(text, RULES)
}

export function conditionOf(text: string): Named<ConditionName> {
  return partsOf(text, CONDITIONS)
}

type Table = Record<string, readonly Word[]>

/** Returns the parts of name *( blanks word ), as `wordsOf` reads them. */
function partsOf<T extends Table>(text: string, table: T): Named<keyof T & string> {
  const { name, rest } = nameOf(text)
  const words = wordsOf(rest, table[name]?.length ?? 0)
  return { name, a: words[0] ?? '', b: words[1] ?? '' }
}

const WORD = /\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s"']\S*))/sy

/**
 * Returns words = *( blanks word ); word = non-blank-or-quote *non-blank / quote *( char / "\" char ) quote, in which a backslash
 * before the quotation mark or a backslash is removed. The word with the number `count` is all that is left if that is no word:
 * where more words or an open quotation mark may come from a variable, it is taken as it is.
 */
function wordsOf(text: string, count: number): string[] {
  const words: string[] = []
  let at = 0
  for (;;) {
    WORD.lastIndex = at
    const match = WORD.exec(text)
    const isLast = words.length === count - 1
    if (match === null || (isLast && text.slice(WORD.lastIndex).trim() !== '')) {
      const rest = text.slice(at).trim()
      return rest === '' ? words : [...words, rest]
    }
    const [, double, single, bare] = match
    words.push(bare ?? double?.replaceAll(/\\(["\\])/g, '$1') ?? single?.replaceAll(/\\(['\\])/g, '$1') ?? '')
    at = WORD.lastIndex
  }
}

/** Returns true when the text is `count` words, and nothing of it was taken as it is. */
function isWords(text: string, count: number): boolean {
  let at = 0
  for (let i = 0; i < count; i++) {
    WORD.lastIndex = at
    if (!WORD.test(text)) return false
    at = WORD.lastIndex
  }
  return text.slice(at).trim() === ''
}

function nameOf(text: string): { name: string; rest: string } {
  const name = /^\S*/.exec(text)?.[0] ?? ''
  return { name: name.toLowerCase(), rest: text.slice(name.length) }
}

function check(text: string, table: Table, isExpanded: boolean): InvalidValue | undefined {
  const { name, rest } = nameOf(text)
  const kinds = Object.hasOwn(table, name) ? table[name] : undefined
  if (kinds === undefined) return { must: `one of ${Object.keys(table).join(', ')}, and its words` }
  const isRule = table === RULES
  const form = kinds.map((kind) => FORMS[kind]).join(' ')
  const must = isRule ? form : `${name} ${form}`
  if (wordsOf(rest, kinds.length).length < kinds.length) return { must, reason: 'a word is missing' }
  if (!isExpanded && !isWords(rest, kinds.length))
    return {
      must,
      reason: 'there are too many words, or a quotation mark is not closed',
      hint: 'put a string with blanks into quotation marks: "a b"',
    }
  const { a, b } = partsOf(text, table)
  for (const [i, word] of [a, b].slice(0, kinds.length).entries()) {
    const invalid = checkWord(kinds[i] as Word, word, must)
    if (invalid !== undefined) return invalid
  }
  return undefined
}

function checkWord(kind: Word, word: string, must: string): InvalidValue | undefined {
  if (kind === 'expression') return invalidIfThrows(must, () => matcherOf(translateOnigmo(word)))
  if (kind !== 'accessor') return undefined
  const dotted = dottedKey(word)
  return dotted === undefined
    ? invalidIfThrows(must, () => RecordAccessor.parseLoose(word))
    : { must, doubt: `${word} ${dotted}` }
}
