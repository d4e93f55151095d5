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
  summary: 'Parses lines of Docker’s json-file driver.',
  description: `The parser json with Docker's time format as the default. The \`\\n\` at the end of \`log\` is kept. Any other JSON
object is parsed too. A line in exactly Docker's form, with \`log\` as the first key, is not checked for control characters
that should be escaped.

${DECODE_DESCRIPTION}
Time_Key may name an appended field.`,
  options: OPTIONS,
  example: `[PARSER]
    Name   docker
    Format docker
`,
  create: jsonParser,
})
