import { defineFilter } from '../../../core/plugin.ts'
import { Multiline } from './multiline.ts'
import { MULTILINE_FILTER_OPTIONS } from './options.ts'

export const spec = defineFilter({
  kind: 'filter',
  name: 'multiline',
  summary: 'Joins records that belong together, such as the lines of a stack trace.',
  description: `Of files, \`multiline.parser\` of the input tail does the same with less work, for each file, and across rotation.
What is open at the end of a chunk is kept for Flush_Ms, and that chunk is acknowledged only when the joined record is.`,
  options: MULTILINE_FILTER_OPTIONS,
  example: `[FILTER]
    Name                  multiline
    Match                 kube.*
    Multiline.Parser      java, python
    Multiline.Key_Content log
`,
  counters: { multiline_truncated: 'joined records that reached Multiline_Buffer_Limit' },
  create: (options, ctx) => new Multiline(options, ctx),
})
