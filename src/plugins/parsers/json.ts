import { defineParser } from '../../core/plugin.ts'
import { jsonParser } from '../../lib/parsing/json-parser.ts'
import { DECODE_DESCRIPTION, DECODE_OPTION, TIME_OPTIONS } from '../../lib/parsing/options.ts'

export const spec = defineParser({
  kind: 'parser',
  name: 'json',
  summary: 'Parses lines that are one JSON object each.',
  description: `The fields of the object become the fields of the record. A line that is not exactly one object (RFC 8259)
is kept unparsed. Only control characters within strings, such as tabs, may be there as they are.

Integers are exact up to 64 bits; a number with a point or an exponent is a float64. A line with a number beyond float64
(\`1e400\`) or with more than 256 levels is kept unparsed. Of fields with the same name the last one stays. Half a surrogate pair
(\`\\ud83d\`) becomes U+FFFD; bytes that are not UTF-8 are kept.

Lines of Docker's json-file driver are recognized and parsed about three times as fast if Time_Format is a form of RFC 3339
(\`%Y-%m-%dT%H:%M:%S.%L%z\`) and Time_Key is \`time\`, or if no time is read: without Time_Format, or with a Time_Key that these
lines do not have.

${DECODE_DESCRIPTION}
Time_Key may name an appended field.`,
  options: { ...TIME_OPTIONS, ...DECODE_OPTION },
  example: `[PARSER]
    Name        app
    Format      json
    Time_Key    ts
    Time_Format %Y-%m-%dT%H:%M:%S.%L%z
`,
  create: jsonParser,
})
