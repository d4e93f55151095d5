import { type InvalidValue, invalidIfThrows } from '../../../core/options/checks.ts'
import { defineOptions } from '../../../core/options/option.ts'
import { checkExpression } from '../../../lib/regex/string-matcher.ts'
import { readRule } from './rule.ts'

const EMITTER = 'records go on within the chunk of their input, and count against its Mem_Buf_Limit'

export const REWRITE_TAG_OPTIONS = defineOptions({
  rule: {
    type: 'slist',
    words: 4,
    form: 'KEY EXPRESSION NEW_TAG KEEP, e.g. `$level ^error$ error.$TAG false`',
    repeat: true,
    required: true,
    check: checkRule,
    help: 'Give records whose text under KEY matches the expression another tag. Of several rules the first that matches counts. KEEP: true if the record goes on under its own tag as well.',
  },
  unmatched: {
    type: 'enum',
    values: ['pass', 'drop'],
    default: 'pass',
    help: 'What becomes of a record that no rule matches. `pass`: it goes on under its tag. `drop`: it is discarded and counted, as by fluentd.',
  },
  values_as_text: {
    type: 'bool',
    default: 'off',
    help: 'Match a number, true and false as their text, and a list or a map as JSON, as fluentd does. Default: only a string matches.',
  },
  remove_from_tag: {
    type: 'string',
    check: (text) => checkExpression(text as string),
    help: 'Expression; the first text that it matches is left out of what $TAG and $TAG[n] stand for.',
  },
  capitalize_captures: {
    type: 'bool',
    default: 'off',
    help: 'Write what $1 to $9 stand for with a capital letter first and small letters after it, of ASCII letters.',
  },
  emitter_name: {
    type: 'string',
    help: 'Name of the input that sends the records again in fluent-bit.',
    ignored: `there is no such input: ${EMITTER}`,
  },
  'emitter_storage.type': {
    type: 'enum',
    values: ['memory', 'filesystem'],
    default: 'memory',
    help: 'Where that input buffers.',
    ignored: EMITTER,
  },
  emitter_mem_buf_limit: { type: 'size', default: '10M', help: 'Memory of that input.', ignored: EMITTER },
})

function checkRule(words: unknown): InvalidValue | undefined {
  return invalidIfThrows('KEY EXPRESSION NEW_TAG KEEP', () => readRule(words as string[]))
}
