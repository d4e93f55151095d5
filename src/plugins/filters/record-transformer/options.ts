import type { InvalidValue } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { parsePath } from './key-path.ts'

/** Names, defaults and meanings are fluentd's. */
export const RECORD_TRANSFORMER_OPTIONS = defineOptions({
  record: {
    type: 'string',
    repeat: true,
    check: checkRecord,
    help: 'Add `KEY VALUE` to each record, in the place of a field of this name. Both may have placeholders; a value that begins with `{` or `[` is JSON, with placeholders in its strings.',
  },
  enable_ruby: {
    type: 'bool',
    default: 'false',
    help: 'Take what is in `${...}` for an expression in a part of Ruby, see above.',
  },
  auto_typecast: {
    type: 'bool',
    default: 'true',
    help: 'Keep the type of a value that is one placeholder and nothing else. If false, it becomes text.',
  },
  renew_record: {
    type: 'bool',
    default: 'false',
    help: 'Begin with an empty record instead of the one that came.',
  },
  keep_keys: { type: 'clist', help: 'Keys to keep, in this order, with Renew_Record.' },
  renew_time_key: {
    type: 'string',
    help: 'Key whose value, Unix time in seconds, becomes the time of the record.',
  },
  remove_keys: {
    type: 'clist',
    check: checkPaths,
    help: 'Keys to remove, after fields were added. `$.a.b[0]` and `$["a"]["b"]` remove within maps and lists.',
  },
})

export type RecordTransformerOptions = OptionsOf<typeof RECORD_TRANSFORMER_OPTIONS>

const WORDS = /^(?:"([^"]+)"|(\S+))(?:\s+([\s\S]*))?$/

/** Splits `KEY VALUE`; the value may be empty. Returns undefined when there is no key. */
export function splitRecord(text: string): { key: string; value: string } | undefined {
  const [, quoted, plain, value = ''] = WORDS.exec(text.trimStart()) ?? []
  const key = quoted ?? plain
  return key === undefined ? undefined : { key, value }
}

/** Returns the items of a list, which fluentd takes as JSON too. */
export function listOf(parts: readonly string[] | undefined): string[] {
  const text = (parts ?? []).join(',')
  if (!text.startsWith('[') || !text.endsWith(']')) return [...(parts ?? [])]
  try {
    const items: unknown = JSON.parse(text)
    if (Array.isArray(items)) return items.map(String)
  } catch {
    // Not JSON: the keys are as they stand.
  }
  return [...(parts ?? [])]
}

function checkRecord(text: string): InvalidValue | undefined {
  return splitRecord(text) === undefined ? { must: 'a key and a value', reason: 'it is empty' } : undefined
}

function checkPaths(parts: string[]): InvalidValue | undefined {
  for (const part of listOf(parts)) {
    const path = parsePath(part)
    if (typeof path === 'string') return { must: 'a list of keys', reason: `"${part}": ${path}` }
  }
  return undefined
}
