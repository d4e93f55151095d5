import { ShipperError } from '../../core/error.ts'
import type { Logger } from '../../core/services.ts'
import { didYouMean } from '../text/did-you-mean.ts'
import { type Unescape, unescapeLetters, unescapeUtf8, unquoteMysql } from './unescape.ts'

/** One `Decode_Field` or `Decode_Field_As`. */
export interface DecodeRule {
  /** True when the result replaces the value; else the fields of the object are appended to the record. */
  as: boolean
  decode: 'json' | Unescape
  /** Outcome after which the next rule of the field is applied. */
  next: 'never' | 'failure' | 'always'
}

/** The rules of one field, in the order of the configuration. */
export interface FieldRules {
  key: Buffer
  rules: DecodeRule[]
}

const DECODERS: Record<string, DecodeRule['decode']> = {
  json: 'json',
  escaped: unescapeLetters,
  escaped_utf8: unescapeUtf8,
  mysql_quoted: unquoteMysql,
}
const ACTIONS: Record<string, DecodeRule['next']> = { try_next: 'failure', do_next: 'always' }

/** Parses rules from the words of each option, its name first. Throws E_CONFIG_BAD_VALUE for an invalid rule. */
export function parseDecodeRules(given: readonly (readonly string[])[], log: Logger): FieldRules[] {
  const fields = new Map<string, FieldRules>()
  for (const words of given) {
    const { field, rule } = ruleOf(words)
    if (!rule.as && rule.decode !== 'json')
      log.warn(
        `"${words.join(' ')}" has no effect: only json has fields to append; use decode_field_as to replace the value`,
      )
    const known = fields.get(field)
    if (known === undefined) fields.set(field, { key: Buffer.from(field), rules: [rule] })
    else known.rules.push(rule)
  }
  return [...fields.values()]
}

/** Parses rule = name decoder field [ action ]. */
function ruleOf(words: readonly string[]): { field: string; rule: DecodeRule } {
  const [name, decoder = '', field, action, ...more] = words
  if (field === undefined || more.length > 0) throw invalidRule(words, 'write DECODER FIELD [ACTION]')
  const decode = DECODERS[decoder.toLowerCase()]
  if (decode === undefined) throw invalidRule(words, unknown('decoder', decoder, DECODERS))
  const next = action === undefined ? 'never' : ACTIONS[action.toLowerCase()]
  if (next === undefined) throw invalidRule(words, unknown('action', action as string, ACTIONS))
  return { field, rule: { as: name === 'decode_field_as', decode, next } }
}

function unknown(what: string, word: string, table: Record<string, unknown>): string {
  const names = Object.keys(table)
  const near = didYouMean(word, names)
  return `unknown ${what} "${word}"${near === '' ? `: use one of ${names.join(', ')}` : near}`
}

function invalidRule([name, ...words]: readonly string[], hint: string): ShipperError {
  const value = words.join(' ')
  return new ShipperError('E_CONFIG_BAD_VALUE', `"${name}" cannot be "${value}"`, {
    hint,
    details: { value },
  })
}
