import { defineOutput } from '../../../core/plugin.ts'
import { HttpConnections } from '../../../lib/http-output/connect.ts'
import { SPLUNK_COUNTERS } from './counters.ts'
import { createSplunk } from './create.ts'
import { SPLUNK_OPTIONS } from './options.ts'

export const spec = defineOutput({
  kind: 'output',
  name: 'splunk',
  summary: 'Sends records to the HTTP Event Collector of Splunk.',
  description: `Each record is an event with its time in nanoseconds, in requests of at most 5 MB to \`/services/collector/event\`. If a proxy
has a lower limit, its response 413 reduces the size of requests.

**Acknowledgements.** An event that the collector has accepted is only in a queue in memory. If *indexer acknowledgement* is enabled for the
token, this output waits until the indexers confirm that the events are written, and only then do the stored positions of files advance. It
queries all open requests once a second. A request that is not acknowledged within five minutes is sent again on another channel, and its
events may be duplicated. When a request has waited for 30 s, that is logged once, with what to check. While the query itself fails, everything
waits: accepted events do not count as delivered. Behind a load balancer all requests of an agent have to reach the same indexer (stickiness by
source address). Later records of the same file are sent in the meantime, so after a lost acknowledgement order is not kept. Records that wait
for acknowledgement are in memory and not limited by the window of the output, so the maximum rate is half of \`Memory_Limit\` (or
\`Mem_Buf_Limit\` of the input) per acknowledgement time. If the token has no indexer acknowledgement, accepted events count as delivered, unless \`ack on\` is set: then
nothing is sent.

**Refused events.** An event that the collector reports as invalid goes to the dead letters with Splunk's message, and the others are delivered.
Refused tokens and indexes lose no record: everything waits until they are corrected. A record that selects its index by \`event_index_key\`
waits for \`Dead_Letter_After\`. If an event of a request is refused and the token has indexer acknowledgement, the events before it in that
request are sent again, because the collector returns no acknowledgement id for them.

The field \`event\` must not be blank, and \`fields\` are flat. Splunk truncates events at 10,000 bytes unless \`TRUNCATE\` in props.conf is
larger. The token in the metadata of a record is not used.`,
  options: SPLUNK_OPTIONS,
  example:
    '[OUTPUT]\n    Name         splunk\n    Match        *\n    Host         127.0.0.1\n    Splunk_Token 00000000-0000-0000-0000-000000000000\n    TLS          on\n',
  connectsTo: ({ host, port }) => ({ host, port }),
  counters: SPLUNK_COUNTERS,
  // Chunks that wait for an acknowledgement are in flight as well.
  inFlight: 256,
  create: (options, ctx) => createSplunk(options, new HttpConnections(options, ctx), ctx),
})
