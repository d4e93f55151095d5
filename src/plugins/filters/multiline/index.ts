import { defineFilter } from '../../../core/plugin.ts'
import { regexCounter } from '../../../lib/regex/counters.ts'
import { Multiline } from './multiline.ts'
import { MULTILINE_FILTER_OPTIONS } from './options.ts'

export const spec = defineFilter({
  kind: 'filter',
  name: 'multiline',
  summary: 'Joins records that belong together, such as the lines of a stack trace.',
  description: `For files, use \`multiline.parser\` of the input tail instead: it joins with less work, per file, and across rotation.
A record that is incomplete at the end of a chunk waits for more for Flush_Ms. The chunk is acknowledged only once the joined record is. At most 1,000 records are open; beyond that the oldest is sent incomplete.`,
  options: MULTILINE_FILTER_OPTIONS,
  example: `[FILTER]
    Name                  multiline
    Match                 kube.*
    Multiline.Parser      java, python
    Multiline.Key_Content log
`,
  counters: {
    multiline_truncated: 'joined records that reached Multiline_Buffer_Limit',
    multiline_evicted: 'incomplete records sent because too many were open',
    ...regexCounter('multiline'),
  },
  create: (options, ctx) => new Multiline(options, ctx),
})
