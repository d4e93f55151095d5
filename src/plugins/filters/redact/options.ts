import { type InvalidValue, invalidIfThrows } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { ON_ERROR_OPTIONS } from '../../../lib/plugin/on-error-options.ts'
import { checkAccessor } from '../../../lib/records/accessor.ts'
import { translateOnigmo } from '../../../lib/regex/onigmo.ts'
import { KINDS } from './text-scanner.ts'

const MIN_KEY_CHARS = 16

export const REDACT_OPTIONS = defineOptions({
  kind: {
    type: 'clist',
    default: 'card,iban,email,jwt,key,password',
    check: checkKinds,
    help: 'What is redacted: `card`, `iban`, `email`, `jwt`, `key`, `password`, `ipv4`, `ipv6`, or `none` for patterns only.',
  },
  pattern: {
    type: 'slist',
    words: 2,
    form: 'NAME EXPRESSION, e.g. `order \\bORD-\\d{8}\\b`',
    repeat: true,
    expression: 'regex',
    check: checkPattern,
    help: 'Own kind: what the expression matches in a text is redacted under this name.',
  },
  key: {
    type: 'string',
    repeat: true,
    check: checkAccessor as (value: unknown) => InvalidValue | undefined,
    help: "Redact only the value of this key, or of this record accessor (`$kubernetes['labels']`), with all that is in it. Default: all of the record.",
  },
  redact_keys: {
    type: 'bool',
    default: 'on',
    help: 'Redact keys of maps, too. off: only values.',
  },
  action: {
    type: 'enum',
    values: ['replace', 'hash'],
    default: 'replace',
    help: '`replace`: by a text. `hash`: by a pseudonym, the first 16 hex digits of HMAC-SHA-256 with Hash_Key: equal values have equal pseudonyms.',
  },
  replacement: {
    type: 'string',
    help: 'Text that is put in place of a secret. `{kind}` is its kind, and with Action hash `{hash}` the pseudonym. Default: `[REDACTED:{kind}]`, with Action hash `[{kind}#{hash}]`.',
  },
  hash_key: {
    type: 'string',
    secret: true,
    check: checkHashKey,
    help: 'Key of Action hash, of 16 characters or more.',
  },
  hash_key_file: {
    type: 'string',
    help: 'Regular file with the key of Action hash; a line feed at its end does not belong to it.',
  },
  ...ON_ERROR_OPTIONS,
})

export type RedactOptions = OptionsOf<typeof REDACT_OPTIONS>

function checkKinds(value: unknown): InvalidValue | undefined {
  const known: readonly string[] = [...KINDS, 'none']
  const unknown = (value as string[]).find((kind) => !known.includes(kind.toLowerCase()))
  return unknown === undefined
    ? undefined
    : { must: `a list of ${known.join(', ')}`, reason: `there is no kind "${unknown}"` }
}

function checkPattern(value: unknown): InvalidValue | undefined {
  const [name = '', expression = ''] = value as string[]
  if (!/^\w[\w-]{0,39}$/.test(name))
    return {
      must: 'a name and a regular expression',
      reason: `"${name}" is no name of letters, digits, - and _`,
    }
  return invalidIfThrows('a name and a regular expression', () => translateOnigmo(expression))
}

/** The value itself is never in a message. */
function checkHashKey(value: unknown): InvalidValue | undefined {
  const isLong = (value as string).length >= MIN_KEY_CHARS
  return isLong
    ? undefined
    : { must: `at least ${MIN_KEY_CHARS} characters long`, reason: 'a short key can be guessed' }
}
