import { ShipperError } from '../../../core/error.ts'
import type { FilterContext } from '../../../core/plugin.ts'
import { FieldMaker, RefusedText } from './field.ts'
import { type RecordTransformerOptions, splitRecord } from './options.ts'
import type { ConfiguredPair } from './pairs.ts'

/** Compiles the pairs; throws for all texts at once that are not translated. */
export function configuredPairs(options: RecordTransformerOptions, ctx: FilterContext): ConfiguredPair[] {
  const maker = new FieldMaker(options, { regexLimit: ctx.regexLimit, environment: process.env })
  const pairs = new Map<string, ConfiguredPair>()
  const refused: string[] = []
  let [hint, first] = ['', '']
  for (const text of options.record) {
    const { key, value } = splitRecord(text) as { key: string; value: string }
    try {
      // Of several values for a key the last one counts, at the place of the first.
      pairs.set(key, { key: maker.text(key, true), value: maker.value(value), source: text })
    } catch (error) {
      if (!(error instanceof RefusedText)) throw error
      refused.push(error.message)
      hint ||= error.hint
      first ||= text
    }
  }
  if (refused.length > 0) throw refusal(refused, hint, first)
  for (const placeholder of maker.unknown) {
    ctx.log.warn(`the placeholder ${placeholder} is unknown and has no value; expressions need Enable_Ruby`)
  }
  for (const text of maker.notJson) ctx.log.warn(`the value ${text} is not JSON: it is taken as text`)
  return [...pairs.values()]
}

/** `first`: value of the option with the first of them, whose place is shown. */
function refusal(refused: readonly string[], hint: string, first: string): ShipperError {
  const message = `only a part of Ruby is translated, without ${refused.join('; without ')}`
  const standIn = 'see docs/plugins/filter-record_transformer.md; record_modifier adds and removes fields'
  return new ShipperError('E_CONFIG_BAD_VALUE', message, {
    hint: hint === '' ? standIn : `${hint}; ${standIn}`,
    option: `record ${first}`,
  })
}
