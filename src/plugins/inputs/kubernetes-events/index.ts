import { defineInput } from '../../../core/plugin.ts'
import { KubernetesEventsInput } from './kubernetes-events.ts'
import { KUBERNETES_EVENTS_OPTIONS } from './options.ts'
import { previewEvents } from './preview.ts'

export const spec = defineInput({
  kind: 'input',
  name: 'kubernetes_events',
  summary: 'Reads the events of a Kubernetes cluster.',
  description: `Events (core/v1) are listed once and then watched. A record is the event as the API server sends it, with its
\`metadata\`; its time is that of its last occurrence (\`lastTimestamp\`, or \`series.lastObservedTime\` if it is newer), else of its
first one (\`firstTimestamp\` or \`eventTime\`), else \`metadata.creationTimestamp\`. fluent-bit reads neither \`series\` nor
\`eventTime\`: it takes those of the scheduler for as old as their creation. An event that happens again
(\`count\`) is a record again; fluent-bit leaves it out when it has a DB. Deleted events are no records: the server removes them after an
hour (\`--event-ttl\`).

**Run it once per cluster**, as a StatefulSet with one replica: in a DaemonSet every node would send all
events. conf/kubernetes-events has the manifests. The service account needs \`list\` and \`watch\` on events, and nothing else.

**Position.** With DB, a restart goes on after the last version (\`resourceVersion\`) up to which every event is acknowledged. Events that
are acknowledged beyond it are stored, too, so that none is sent twice; what was not acknowledged is read again while the server has it.
A database of fluent-bit (\`in_kubernetes_events\`) can be taken over: what it has sent is not sent again. Going back to it, the
events of Kube_Retention_Time are sent once more.

**Expired versions.** A 410 of the server, after an outage of some minutes, leads to a new list, of which known events are left
out. A server that was restored from a backup gives versions a second time: its events are then read as at a first start.

**Failures.** With Kube_Request_Limit a part of a list that fails is requested again, and not the parts before it; after five failures,
or when its continuation has expired, the list begins anew.

**Limits.** One event: 4 MB, 100 levels, 100,000 values; one that has more is left out. One list: 1,000,000 events; one response: 512 MB, 600 s (a watch: its timeout
and 30 s), on average 8 MB/s and a quarter of a core. While the memory limit is reached the server is not read.`,
  options: KUBERNETES_EVENTS_OPTIONS,
  example:
    '[INPUT]\n    Name           kubernetes_events\n    Tag            k8s_events\n    DB             /var/lib/shipper/events.db\n',
  counters: {
    events_known: 'events that were listed or watched again, and were left out',
    events_old: 'events older than Kube_Retention_Time at a first start, left out',
    events_oversize: 'events with too many bytes, values or levels, left out',
    events_invalid: 'events without a version that is a number, left out',
    lists: 'lists that were requested, or continued after a failure',
    watches: 'watches that were requested',
    watch_expired: 'lists and watches answered with 410, because their resourceVersion had expired',
    api_requests: 'all requests to the API server',
    api_errors: 'requests that failed; 410 does not count',
  },
  statePath: ({ db }) => db,
  rereads: true,
  places: 'tag, `uid`, `resourceVersion` and time of the event',
  preview: previewEvents,
  create: (options, ctx) => new KubernetesEventsInput(options, ctx),
})
