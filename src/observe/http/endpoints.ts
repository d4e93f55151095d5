import type { Family } from '../../core/metric-family.ts'
import type { Snapshot } from '../../core/snapshot.ts'
import { formatCmetrics } from '../../lib/metrics/metric-text.ts'
import { formatDump } from '../terminal/dump.ts'
import { type Health, healthLines } from './health.ts'
import { metricFamilies, metricsDocument } from './metrics.ts'
import { PROMETHEUS_TYPE, prometheusParts } from './prometheus.ts'
import { fileDocument, snapshotDocument } from './snapshot-document.ts'
import { storageDocument } from './storage-document.ts'

/**
 * Endpoints of the HTTP server: the documents of fluent-bit, and some that it does not have: liveness, the
 * snapshot and the files.
 */

export interface Answer {
  status: number
  type: string
  /** Parts of a text that may be long are made one by one, while the client takes those before. */
  body: string | Iterator<string>
  headers?: Record<string, string>
}

interface EndpointSources {
  snapshot: () => Snapshot
  health: () => Health
  /** Names of all built-in plugins; defaults to those in use. */
  plugins?: PluginNames | undefined
  /** False when storage.metrics is off. */
  hasStorage?: boolean | undefined
  query: string
  /** False when the Host of the request is no name of this machine: details are left out. */
  isTrusted: boolean
}

export interface PluginNames {
  inputs: string[]
  filters: string[]
  outputs: string[]
}

interface Endpoint {
  /** What a reader of the list of endpoints finds there. */
  help: string
  answer: (sources: EndpointSources) => Answer
  /** True for probes: answered whatever the Host of the request is. */
  isPublic?: true
  /** Another path of an endpoint, not listed. */
  alias?: true
}

const JSON_TYPE = 'application/json'
const TEXT_TYPE = 'text/plain; charset=utf-8'

const live: Endpoint = {
  help: 'ok while the agent runs, whatever its outputs do: for liveness probes',
  answer: () => ({ status: 200, type: TEXT_TYPE, body: 'ok\n' }),
  isPublic: true,
}

/** The endpoints, in the order in which `/` lists them. */
const ENDPOINTS: Record<string, Endpoint> = {
  '/': {
    help: 'version, and this list',
    answer: ({ snapshot }) =>
      json({
        'fluent-bit': { version: snapshot().version, edition: 'Community', flags: [] },
        endpoints: listed(),
      }),
  },
  '/api/v1/live': live,
  '/live': { ...live, alias: true },
  '/api/v1/health': {
    help: 'ok or error, then a line for dead letters that are full, for a buffer on disk that cannot be written or read, and for each output that is down: for readiness probes and alerts',
    answer: ({ health, isTrusted }) => {
      const state = health()
      const lines = isTrusted ? healthLines(state).map((line) => `${line}\n`) : []
      const status = state.status === 'ok' ? 200 : 500
      return { status, type: TEXT_TYPE, body: `${state.status}\n${lines.join('')}` }
    },
    isPublic: true,
  },
  '/api/v2/health': {
    help: 'the same as JSON',
    answer: ({ health }) => {
      const state = health()
      return json(state, state.status === 'ok' ? 200 : 500)
    },
  },
  '/api/v1/snapshot': {
    help: 'the state of every input, file, filter and output; ?format=text for people, as `shipper status` prints it',
    answer: ({ snapshot, query }) =>
      new URLSearchParams(query).get('format') === 'text'
        ? { status: 200, type: TEXT_TYPE, body: formatDump(snapshot()) }
        : json(snapshotDocument(snapshot())),
  },
  '/api/v1/files': {
    help: 'the files of every input with size, offsets and lag',
    answer: ({ snapshot }) => json({ files: files(snapshot()) }),
  },
  '/api/v1/metrics': {
    help: 'counters of inputs, filters and outputs as JSON',
    answer: ({ snapshot }) => json(metricsDocument(snapshot())),
  },
  '/api/v1/metrics/prometheus': {
    help: 'metrics for Prometheus, with the labels of fluent-bit 1',
    answer: ({ snapshot }) => prometheus(snapshot(), 1),
  },
  '/api/v2/metrics/prometheus': {
    help: 'metrics for Prometheus, with the labels of fluent-bit 2 and later; also at /metrics',
    answer: ({ snapshot }) => prometheus(snapshot(), 2),
  },
  '/metrics': { help: '', answer: ({ snapshot }) => prometheus(snapshot(), 2), alias: true },
  '/api/v2/metrics': {
    help: 'metrics as text with a time in each line',
    answer: ({ snapshot }) => {
      const now = snapshot()
      return { status: 200, type: TEXT_TYPE, body: cmetricsParts(metricFamilies(now, 2), now.nowMs) }
    },
  },
  '/api/v1/uptime': { help: 'time since the start', answer: ({ snapshot }) => json(uptime(snapshot())) },
  '/api/v1/plugins': {
    help: 'names of all plugins',
    answer: ({ plugins, snapshot }) => json({ plugins: plugins ?? pluginsInUse(snapshot()) }),
  },
  '/api/v1/storage': {
    help: 'chunks in memory and on disk, in fluent-bit’s form; the buffer on disk with storage.type filesystem',
    answer: ({ snapshot, hasStorage = true }) =>
      hasStorage ? json(storageDocument(snapshot())) : notFound(),
  },
}

/** Returns the endpoint of a path, with or without a trailing slash; undefined when there is none. */
export function endpointOf(path: string): Endpoint | undefined {
  const name = path.length > 2 && path.endsWith('/') ? path.slice(0, -1) : path
  return Object.hasOwn(ENDPOINTS, name) ? ENDPOINTS[name] : undefined
}

export function notFound(): Answer {
  return json({ error: 'not found', endpoints: listed() }, 404)
}

function listed(): Record<string, string> {
  const shown = Object.entries(ENDPOINTS).filter(([, { alias }]) => alias !== true)
  return Object.fromEntries(shown.map(([path, { help }]) => [path, help]))
}

export function json(value: unknown, status = 200): Answer {
  return { status, type: JSON_TYPE, body: JSON.stringify(value) }
}

/** Answers without timestamps, unlike fluent-bit in version 1: with them Prometheus shows a dead agent for 5 minutes more. */
function prometheus(snapshot: Snapshot, version: 1 | 2): Answer {
  return { status: 200, type: PROMETHEUS_TYPE, body: prometheusParts(metricFamilies(snapshot, version)) }
}

/** Returns the text of `formatCmetrics` sample by sample. */
function* cmetricsParts(families: Family[], nowMs: number): Generator<string> {
  for (const family of families)
    for (const sample of family.samples) yield formatCmetrics([{ ...family, samples: [sample] }], nowMs)
}

function uptime({ nowMs, startedMs }: Snapshot): { uptime_sec: number; uptime_hr: string } {
  const seconds = Math.max(0, Math.floor((nowMs - startedMs) / 1000))
  const days = withUnit(Math.floor(seconds / 86_400), 'day')
  const hours = withUnit(Math.floor(seconds / 3600) % 24, 'hour')
  const minutes = withUnit(Math.floor(seconds / 60) % 60, 'minute')
  const rest = withUnit(seconds % 60, 'second')
  return {
    uptime_sec: seconds,
    uptime_hr: `Fluent Bit has been running:  ${days}, ${hours}, ${minutes} and ${rest}`,
  }
}

/** Formats a number with its unit; as in fluent-bit the plural begins above 1: `0 day`. */
function withUnit(n: number, unit: string): string {
  return `${n} ${unit}${n > 1 ? 's' : ''}`
}

function pluginsInUse(snapshot: Snapshot): PluginNames {
  const names = (items: { plugin: string }[]): string[] =>
    [...new Set(items.map((item) => item.plugin))].sort()
  return {
    inputs: names(snapshot.inputs),
    filters: names(snapshot.filters),
    outputs: names(snapshot.outputs),
  }
}

function files(snapshot: Snapshot): unknown[] {
  return snapshot.inputs.flatMap(({ name, status }) =>
    (status?.files ?? []).map((file) => Object.assign({ input: name }, fileDocument(file))),
  )
}
