import type { ConditionRule } from '../../../src/core/plan.ts'
import { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import { RecordAccessor } from '../../../src/lib/records/accessor.ts'
import { compileCondition, type RecordTest } from '../../../src/lib/records/condition.ts'
import { bodyAt } from '../../../src/lib/records/entry-parts.ts'
import { TagText, Template } from '../../../src/lib/records/template.ts'
import { must, size, type Target } from '../target.ts'

const ACCESSORS = ['$a', "$a['b']", '$a[0]', "$a[1]['b'][2]"].map((text) => RecordAccessor.parse(text))
const TEMPLATE = Template.parse("x.$a.$TAG[0].$a['b']")
const TAG = new TagText().set('t')

function test(
  op: ConditionRule['op'],
  values: string[],
  context: ConditionRule['context'] = 'body',
): RecordTest {
  const rule = { field: '$a', op, values, context, location: { file: 'fuzz' } }
  return compileCondition({ op: 'and', rules: [rule] })
}

const BODY = {
  eq: test('eq', ['5', 'x', 'true']),
  neq: test('neq', ['5', 'x', 'true']),
  gt: test('gt', ['5']),
  lte: test('lte', ['5']),
  lt: test('lt', ['9223372036854775807']),
  regex: test('regex', ['^(5|x)']),
  notRegex: test('not_regex', ['^(5|x)']),
  metadata: test('in', ['5', 'x'], 'metadata'),
}

/** Accessors, conditions and texts on any bytes: nothing after the end is read, and what excludes each other never holds both. */
export const accessors: Target = {
  name: 'accessors',
  maxBytes: 400,
  dictionary: [
    '\x92',
    '\x92\xd7\x00',
    '\x81',
    '\x82',
    '\xa1a',
    '\xa1b',
    '\xde',
    '\xdf',
    '\xdc',
    '\xa15',
    '\xcf',
    '\xcb',
    '\xdb',
    '\xc1',
  ],
  seeds: () => [
    Buffer.from('92d7006553f1000000002a81a16105', 'hex'),
    Buffer.from('9292d7006553f1000000002a81a16105de0002a161a178a16192a17881a16293010203', 'hex'),
    Buffer.from('920582a161cfffffffffffffffffa161a3312e35', 'hex'),
  ],
  run(input) {
    const results = [0x00, 0xff].map((fill) =>
      resultsOf(Buffer.concat([input, Buffer.alloc(12, fill)]), input.length),
    )
    must(results[0] === results[1], () => `bytes after the end count: ${results.join(' or ')}`)
    return results[0] as string
  },
}

function resultsOf(buf: Buffer, end: number): string {
  const body = bodyAt(buf, 0, end)
  const found = ACCESSORS.map((accessor) => accessor.find(buf, body, end))
  for (const at of found) must(at === -1 || (at > body && at < end), () => `an offset of ${at} of ${end}`)
  const holds = Object.fromEntries(
    Object.entries(BODY).map(([name, condition]) => [name, condition.test(buf, 0, end)]),
  )
  must(holds.eq !== holds.neq, 'eq is not the opposite of neq')
  must(holds.regex !== holds.notRegex, 'regex is not the opposite of not_regex')
  must(!(holds.gt && holds.lte), 'more and not more')
  const out = new JsonText()
  const isComplete = TEMPLATE.write(out, TAG, buf, body, end)
  must(isComplete || out.at === 0, 'a part of a text is left')
  return `${found.map((at) => at < 0).join()} ${Object.values(holds).join()} ${isComplete} ${size(out.at)}`
}
