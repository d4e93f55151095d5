import fc from 'fast-check'

const name = fc.constantFrom(
  'a',
  'ts',
  'b',
  '',
  'level',
  'msg',
  'log',
  'stream',
  'kubernetes',
  'message',
  'logtag',
  'kubernetes_namespace',
  'é',
  'x'.repeat(33),
)
/** The text of a key in JSON, at times with escapes: several texts for the same key. */
const keyText = fc.oneof(
  { weight: 6, arbitrary: name },
  fc.constantFrom(
    '\\u0061',
    '\\u006cog',
    '\\n\\"',
    'a\\":\\"x',
    '\\ud83d\\ude00',
    '\\ud83d',
    `\\u0078${'x'.repeat(32)}`,
    '\\q',
  ),
)
const number = fc.oneof(
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.tuple(fc.nat(10 ** 9), fc.nat(10 ** 6)).map(([whole, part]) => `${whole}.${part}`),
  fc.constantFrom(
    '0',
    '-0',
    '-0.0',
    '127',
    '128',
    '255',
    '256',
    '65535',
    '65536',
    '4294967295',
    '4294967296',
  ),
  fc.constantFrom('-1', '-32', '-33', '-128', '-129', '-32768', '-32769', '-2147483648', '-2147483649'),
  fc.constantFrom('9007199254740991', '9007199254740993', '9999999999999999999', '18446744073709551616'),
  fc.constantFrom(
    '-9223372036854775808',
    '-999999999999999999',
    '0.1',
    '123456789012.345',
    '12345678901234.56',
  ),
  fc.constantFrom('01', '1.', '.5', '-', '+1', '1e5', '1E-3', '1.5e300', '1e400', '0x1', 'NaN'),
)
const piece = fc.oneof(
  fc.stringMatching(/^[a-z ]{0,20}$/),
  fc.constantFrom(
    '\\n',
    '\\r\\n',
    '\\t',
    '\\"',
    '\\\\',
    '\\/',
    '\\b',
    '\\f',
    '\\u00e9',
    '\\u20ac',
    '\\u0000',
    '\\u000a',
  ),
  fc.constantFrom(
    '\\ud83d\\ude00',
    '\\ud83d',
    '\\ude00',
    '\\ud83d\\u0041',
    '\\ud83d\\ud83d\\ude00',
    '\\ud83d\\u12',
    '\\x',
    '\\u12',
    '\\',
    '"',
    '\t',
    '\u0001',
    'é',
    '\u{1f600}',
  ),
  fc.constantFrom('x'.repeat(14), 'x'.repeat(31), 'x'.repeat(32), 'y'.repeat(255), 'z'.repeat(300)),
)
const text = fc.array(piece, { maxLength: 4 }).map((parts) => `"${parts.join('')}"`)
const blank = fc.constantFrom('', '', '', ' ', '\n', '\t ', '\r\n', '\v')
const { value } = fc.letrec<{ value: string; object: string }>((tie) => ({
  object: fc
    .array(fc.tuple(blank, keyText, blank, tie('value'), blank), { maxLength: 18 })
    .map((pairs) => `{${pairs.map(([a, key, b, each, c]) => `${a}"${key}"${b}:${a}${each}${c}`).join(',')}}`),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    text,
    number,
    fc.constantFrom(
      'true',
      'false',
      'null',
      'tru',
      'nulll',
      '',
      'fals',
      '{}',
      '[]',
      '[ ]',
      '{"a":1,"a":2}',
      '[1,]',
      '{,}',
    ),
    fc.array(tie('value'), { maxLength: 20 }).map((items) => `[${items.join(',')}]`),
    tie('object'),
  ),
}))
/** JSON objects whose keys are nearly always different, so that the wasm encoder knows most lines. */
const object = fc
  .array(
    fc.tuple(
      fc.oneof(
        fc.nat(99).map((n) => `key_${n}`),
        keyText,
      ),
      value,
      blank,
    ),
    { maxLength: 20 },
  )
  .map((pairs) => `{${pairs.map(([key, each, b]) => `"${key}":${b}${each}`).join(',')}}`)
const line = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(blank, object, blank).map((parts) => parts.join('')) },
  value,
  fc.tuple(object, fc.nat(80)).map(([each, n]) => each.slice(0, n)),
  fc.tuple(object, fc.constantFrom('x', '}', ',', '{}')).map((parts) => parts.join('')),
  fc.constantFrom(
    'plain text',
    '',
    ' ',
    '{',
    '{}',
    ' {} \n',
    'x'.repeat(300),
    'x'.repeat(70_000),
    '['.repeat(40),
  ),
  fc.constantFrom(
    'ts=1795240800.5 stream=x n=5 b=true msg="a\\"b\\n" log=l bare',
    'n=x kubernetes=1 a=1 a=2 "ts=1"\n',
    'ts=1 ts=2',
    'ts:1795240800\tstream:x\tn:5\tmsg:a b\tlog:l\r\n',
    'n:x\tkubernetes:1\ta:1\ta:2\t',
    '{"ts":"2026-11-21T06:00:07.123Z","stream":"x","a":1,"kubernetes":2,"log":"l\\n"}',
    '{"ts":"2026-11-21T06:00:07.123Z","ts":"x\\n"}',
    '{"ts":"2026-11-21T06:00:07.123Z","a":"y\\r\\n","logtag":0} \n',
  ),
  fc.integer({ min: 1, max: 300 }).map((n) => `${'{"a":'.repeat(n)}1${'}'.repeat(n)}`),
)
/** Container records, most of them with a line that is JSON or nearly JSON. */
export const record = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(line, fc.constantFrom('stdout', 'stderr'))
      .map(([log, stream]) => ({ stream, _p: 'F', log })),
  },
  fc.tuple(line, name, name).map(([log, a, b]) => ({ log, [a]: 'x'.repeat(40), [b]: 'é' })),
  fc
    .tuple(line, name, fc.constantFrom('time', 'log', 'a":"x', 'a'))
    .map(([log, a, b]) => ({ [b]: 1, log, [a]: { a: 2 } })),
  fc
    .tuple(
      name,
      fc.constantFrom(
        1,
        -1,
        2 ** 40,
        0.5,
        null,
        [1],
        { a: 1 },
        new Uint8Array(3),
        new Date(0),
        'x'.repeat(300),
        'x'.repeat(70_000),
      ),
    )
    .map(([key, each]) => ({ log: '{"a":1}', [key]: each })),
  line.map((log) =>
    Object.fromEntries([...Array.from({ length: 15 }, (_, i) => [`k${i}`, '1']), ['log', log]]),
  ),
  line.map((message) => ({ stream: 'stdout', logtag: 'F', message })),
  fc.tuple(line, name).map(([message, key]) => ({ logtag: 'F', message, [key]: 'x' })),
  fc.constantFrom({}, { stream: 'stdout' }, { message: '{"a":1}' }, { logtag: 'F' }),
)
