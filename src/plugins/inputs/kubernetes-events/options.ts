import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { KUBE_API_OPTIONS, KUBE_TLS_OPTIONS } from '../../../lib/kubernetes/options.ts'
import { DATABASE_OPTIONS } from '../../../lib/plugin/database-options.ts'

const WATCHED = 'events are watched, and a watch that fails is opened again after growing waits'
/** Names of namespaces: RFC 1123 labels. */
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/** Options with fluent-bit's names and defaults. */
export const KUBERNETES_EVENTS_OPTIONS = defineOptions({
  ...KUBE_API_OPTIONS,
  kube_token_ttl: {
    type: 'time',
    default: '10m',
    help: 'Read the token file again after this time.',
    ignored: 'the token file is read again whenever it has changed, and after a 401',
  },
  kube_namespace: {
    type: 'string',
    help: 'Read only the events of this namespace. Default: those of all namespaces.',
    check: (text: string) => (NAMESPACE.test(text) ? undefined : { must: 'the name of a namespace' }),
  },
  kube_request_limit: {
    type: 'int',
    default: '0',
    min: 0,
    max: 100_000,
    help: 'Maximum number of events in one response to a list; 0: no limit. A list is read piece by piece in any case.',
  },
  kube_retention_time: {
    type: 'time',
    default: '1h',
    help: 'Maximum age of the events that a first start reads. Events that follow a known position are read whatever their age is; fluent-bit leaves out older ones there as well.',
  },
  kube_watch_timeout: {
    type: 'time',
    default: '10m',
    help: 'Time after which the server is to end a watch, which is then opened again; 0: when the server wants to.',
  },
  interval_sec: { type: 'int', default: '0', help: 'Seconds between two readings.', ignored: WATCHED },
  interval_nsec: {
    type: 'int',
    default: '500000000',
    help: 'Nanoseconds added to Interval_Sec.',
    ignored: WATCHED,
  },
  ...KUBE_TLS_OPTIONS,
  db: {
    type: 'string',
    help: 'SQLite file for the position: which events are acknowledged. Without it, every start reads the events of Kube_Retention_Time again. It may be shared with other inputs, and taken over from fluent-bit.',
  },
  ...DATABASE_OPTIONS,
})

export type KubernetesEventsOptions = OptionsOf<typeof KUBERNETES_EVENTS_OPTIONS>
