import { defineOptions } from '../../core/options/option.ts'
import { defineParser } from '../../core/plugin.ts'
import { CriParser } from '../../lib/parsing/cri-parser.ts'

const OPTIONS = defineOptions({
  time_keep: { type: 'bool', default: 'true', help: 'Keep the field `time` in the record.' },
})

export const spec = defineParser({
  kind: 'parser',
  name: 'cri',
  summary: 'Parses log lines of containerd and CRI-O.',
  description: `A line is \`2026-11-21T06:00:00.123456789Z stdout F the message\`; the record has the fields \`time\`, \`stream\`,
\`logtag\` and \`message\`. The zone of the time may be any offset. A line of another form is kept unparsed. Lines that the
runtime has split (\`P\`) are not joined; use \`multiline.parser cri\` of the input tail for that.`,
  options: OPTIONS,
  example: `[PARSER]
    Name   cri
    Format cri
`,
  create: ({ timeKeep }) => new CriParser(timeKeep, { tag: 'logtag', text: 'message' }),
})
