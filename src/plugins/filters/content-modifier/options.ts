import { ShipperError } from '../../../core/error.ts'
import { type InvalidValue, invalidIfThrows } from '../../../core/options/checks.ts'
import { camelName, defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { checkAccessor } from '../../../lib/records/accessor.ts'
import { matcherOf } from '../../../lib/regex/line-matcher.ts'
import { type TranslatedRegex, translateOnigmo } from '../../../lib/regex/onigmo.ts'

function checkContext(context: string): InvalidValue | undefined {
  if (!context.startsWith('otel_')) return undefined
  return {
    must: 'body or attributes',
    reason: 'records have no resource and no scope of OpenTelemetry here',
    hint: 'use the context attributes for the metadata of a record, or body',
    instead: 'records pass unchanged',
  }
}

function checkPattern(pattern: string): InvalidValue | undefined {
  return invalidIfThrows('a regular expression with a named group', () => {
    const regex = translateOnigmo(pattern)
    if (!regex.names.some((name) => name !== undefined))
      throw new ShipperError('E_CONFIG_BAD_VALUE', 'no group in it has a name', { hint: 'write (?<key>...)' })
    matcherOf(regex)
  })
}

export const CONTENT_MODIFIER_OPTIONS = defineOptions({
  context: {
    type: 'enum',
    values: [
      'body',
      'message',
      'record',
      'attributes',
      'metadata',
      'otel_resource_attributes',
      'otel_scope_name',
      'otel_scope_version',
      'otel_scope_attributes',
      'otel_log_attributes',
    ],
    default: 'body',
    check: checkContext,
    help: 'What is changed: body (also message, record): the record; attributes (also metadata): its metadata. The others have no effect.',
  },
  action: {
    type: 'enum',
    values: ['insert', 'upsert', 'delete', 'rename', 'hash', 'extract', 'convert'],
    required: true,
    help: 'insert: add the key if it is not there; upsert: add or replace it; delete: remove it; rename: to the key Value; hash: replace the value by its SHA-256 in hex digits; extract: add what the named groups of Pattern match; convert: change the type of the value.',
  },
  key: {
    type: 'string',
    check: checkAccessor,
    help: "Key, or record accessor that ends with one: `$kubernetes['labels']['app']`.",
  },
  value: {
    type: 'string',
    help: 'Text to insert or upsert, also if it looks like a number, or new name of the key.',
  },
  pattern: {
    type: 'string',
    expression: 'regex',
    check: checkPattern,
    help: 'Expression of extract; each named group becomes a key beside Key.',
  },
  converted_type: {
    type: 'enum',
    values: ['string', 'boolean', 'int', 'double'],
    help: 'Type of convert.',
  },
})

export type ContentModifierOptions = OptionsOf<typeof CONTENT_MODIFIER_OPTIONS>

/** Returns the value of an option that an action needs; throws E_CONFIG_MISSING_OPTION when it is not set. */
export function needed<K extends 'key' | 'value' | 'pattern' | 'convertedType'>(
  options: ContentModifierOptions,
  option: K,
): NonNullable<ContentModifierOptions[K]> {
  const value = options[option]
  if (value !== undefined) return value as NonNullable<ContentModifierOptions[K]>
  const name = option === 'convertedType' ? 'converted_type' : option
  throw new ShipperError('E_CONFIG_MISSING_OPTION', `the action ${options.action} needs "${name}"`, {
    option: name,
    hint: HINT,
  })
}

/** Throws E_CONFIG_MISSING_OPTION with all options that the action needs and that are not set. */
export function checkNeeded(options: ContentModifierOptions): void {
  const { action } = options
  const names = ['key', ...(NEEDED[action] ?? [])] as const
  const missing = names.filter(
    (name) => options[camelName(name) as keyof ContentModifierOptions] === undefined,
  )
  const [option] = missing
  if (option === undefined) return
  const list = missing.map((name) => `"${name}"`).join(' and ')
  throw new ShipperError('E_CONFIG_MISSING_OPTION', `the action ${action} needs ${list}`, {
    option,
    hint: HINT,
  })
}

const HINT = 'see docs/plugins/filter-content_modifier.md'
/** Options besides Key that an action needs. */
const NEEDED: Partial<Record<ContentModifierOptions['action'], readonly string[]>> = {
  insert: ['value'],
  upsert: ['value'],
  rename: ['value'],
  extract: ['pattern'],
  convert: ['converted_type'],
}

/** Slots of each named group of an expression in the spans of its matcher; several groups may share a name. */
export function slotsOf({ names }: TranslatedRegex): Map<string, number[]> {
  const slots = new Map<string, number[]>()
  names.forEach((name, group) => {
    if (name !== undefined) slots.set(name, [...(slots.get(name) ?? []), group * 2])
  })
  return slots
}
