import { defineFilter } from '../../../core/plugin.ts'
import { regexCounter } from '../../../lib/regex/counters.ts'
import { Concat } from './concat.ts'
import { CONCAT_OPTIONS } from './options.ts'

export const spec = defineFilter({
  kind: 'filter',
  name: 'concat',
  summary: 'Joins records that belong together as fluent-plugin-concat does.',
  description: `For files, use \`multiline.parser\` of the input tail instead: it joins with less work, per file, and across rotation.

Exactly one of N_Lines, Multiline_Start_Regexp with or without Multiline_End_Regexp, Partial_Key, Use_Partial_Metadata and Use_Partial_Cri_Logtag says which records belong together. The joined record has the fields of its first part, and those that only its last part has. A record that is incomplete at the end of a chunk waits for more for Flush_Interval. The chunk is acknowledged only once the joined record is.

With the example below, these four records

\`\`\`json
{"log":"2026-11-30 failed","id":1}
{"log":"  at a","id":2}
{"log":"  at b","id":3}
{"log":"2026-11-30 started","id":4}
\`\`\`

become two; the second waits 5 s for more lines:

\`\`\`json
{"log":"2026-11-30 failed\\n  at a\\n  at b","id":1}
{"log":"2026-11-30 started","id":4}
\`\`\`

Differences from fluent-plugin-concat: the record that begins the next group adds neither time nor fields to the finished one. An incomplete record keeps its time after Flush_Interval, and continues after the filter when there is neither Timeout_Label nor a label @ERROR; fluentd drops it. At a stop, incomplete records are not sent: inputs with positions read them again. Parts are joined in the order in which they come. With Use_Partial_Cri_Logtag, stdout and stderr are joined separately. A value that is not text passes. At most 1,000 records are open; beyond that the oldest is sent incomplete.`,
  options: CONCAT_OPTIONS,
  example: `[FILTER]
    Name                   concat
    Match                  app.*
    Key                    log
    Multiline_Start_Regexp /^\\d{4}-/
    Flush_Interval         5
`,
  counters: {
    concat_truncated: 'joined records that reached a limit of their size',
    concat_timeout: 'incomplete records sent after Flush_Interval',
    concat_evicted: 'incomplete records sent because too many were open',
    ...regexCounter('multiline'),
  },
  errorRecords: ({ timeoutLabel }) =>
    timeoutLabel === undefined ? 'records that are not complete' : undefined,
  create: (options, ctx) => new Concat(options, ctx),
})
