import { defineOptions } from '../../core/options/option.ts'
import { defineParser } from '../../core/plugin.ts'
import { jsonParser } from '../../lib/parsing/json-parser.ts'
import { DECODE_DESCRIPTION, DECODE_OPTION, TIME_OPTIONS } from '../../lib/parsing/options.ts'

const OPTIONS = defineOptions({
  ...TIME_OPTIONS,
  ...DECODE_OPTION,
  time_format: { ...TIME_OPTIONS.time_format, default: '%Y-%m-%dT%H:%M:%S.%L' },
  time_keep: { ...TIME_OPTIONS.time_keep, default: 'true' },
})

export const spec = defineParser({
  kind: 'parser',
  name: 'docker',
  summary: 'Reads the lines of Docker’s json-file driver.',
  description: `The parser json with Docker's time as default. The \`\\n\` at the end of \`log\` stays. Any other JSON object
is read too. A line whose first key is \`log\` and whose form is Docker's own is not searched for control characters
that ought to be escaped.

${DECODE_DESCRIPTION}
Time_Key may name a field that is appended.`,
  options: OPTIONS,
  example: `[PARSER]
    Name   docker
    Format docker
`,
  create: jsonParser,
})
