import { defineParser } from '../../core/plugin.ts'
import { jsonParser } from '../../lib/parsing/json-parser.ts'
import { DECODE_DESCRIPTION, DECODE_OPTION, TIME_OPTIONS } from '../../lib/parsing/options.ts'

export const spec = defineParser({
  kind: 'parser',
  name: 'json',
  summary: 'Reads lines that are one JSON object each.',
  description: `The fields of the object become the fields of the record. A line that is not exactly one object (RFC 8259)
is kept as it is.

Integers are exact up to 64 bits; a number with a point or an exponent is a float64. A number that no float64 holds
(\`1e400\`) and nesting beyond 256 levels are refused. A field that comes twice stays twice. Half a surrogate pair
(\`\\ud83d\`) becomes U+FFFD; bytes that are not UTF-8 stay as they are.

Lines of Docker's json-file driver are recognised when Time_Key is \`time\` and Time_Format is that of Docker, and read
about three times as fast.

${DECODE_DESCRIPTION}
Time_Key may name a field that is appended.`,
  options: { ...TIME_OPTIONS, ...DECODE_OPTION },
  example: `[PARSER]
    Name        app
    Format      json
    Time_Key    ts
    Time_Format %Y-%m-%dT%H:%M:%S.%L%z
`,
  create: jsonParser,
})
