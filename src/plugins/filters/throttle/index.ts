import { defineFilter } from '../../../core/plugin.ts'
import { COUNTERS } from './counters.ts'
import { DelayingThrottle } from './delay.ts'
import { DroppingThrottle } from './drop.ts'
import { THROTTLE_OPTIONS } from './options.ts'
import { MAX_KEYS } from './windows.ts'

export const spec = defineFilter({
  kind: 'filter',
  name: 'throttle',
  summary: 'Limits the rate of records: drops what is above it, or lets it wait in its file.',
  description: `Rate records may pass per Interval, on average over the last Window intervals; as in fluent-bit Rate times Window may pass at
once. With \`Rate 800\`, \`Window 5\` and \`Interval 1s\`, 4000 records pass in a second if there were none in the four before. What counts is
the time of the filter, not that of the records.

**Key.** Rate holds for each value of Key by itself, such as a pod or a user. Records without the field share one limit. At
most ${MAX_KEYS} values have a limit of their own at a time; values of which there was no record in the Window are forgotten, and further ones
share one, counted in \`keys_overflow\`.

**Action drop** discards what is above the rate, as fluent-bit does. It is counted in \`dropped\`, and a line of the log says how many, at most
once a minute.

**Action delay** drops nothing: the lines wait in their file, the position stays before them, and the file is read at Rate. The input tail
asks before it reads and reads in blocks. A block counts when it has been read, so more than Rate times Window records may come at once:
125 were seen with \`Rate 10\`, \`Window 1\`, and short lines. The file then waits longer, so that the average is Rate. Rate times Window may
pass at once after a pause. Files of one Key take turns. Nothing runs while no file waits. Files that are rotated or
deleted meanwhile stay open, and take space until they are read: the rate must be above the average rate of the lines. Key may then
only have $TAG and $TAG[n], since it must be known before a line is read.

Inputs other than tail (forward, systemd, stdin, dummy) cannot wait, and neither can records to which rewrite_tag has given a tag that the
filter matches: with Action delay they pass without a limit, and are counted in \`undelayed\`; a warning at the start and of \`-D\` names them. Use Action drop for them, or a lower
Mem_Buf_Limit: their sender waits while the outputs are slow.`,
  options: THROTTLE_OPTIONS,
  example:
    '[FILTER]\n    Name     throttle\n    Match    *\n    Rate     800\n    Window   5\n    Interval 1s\n',
  counters: COUNTERS,
  delaysBy: ({ action }) => (action === 'delay' ? 'action' : undefined),
  keepsPlaces: () => true,
  create: (options, ctx) =>
    options.action === 'delay' ? new DelayingThrottle(options, ctx) : new DroppingThrottle(options, ctx),
})
