import type { Snapshot } from '../../core/snapshot.ts'
import type { Health } from './health.ts'
import { metricFamilies, metricsDocument } from './metrics.ts'
import { formatCmetrics, formatPrometheus, PROMETHEUS_TYPE } from './prometheus.ts'

/**
 * Endpoints of the HTTP server: the documents of fluent-bit, and `/api/v1/files`, which fluent-bit does not
 * have.
 */

export interface Answer {
  status: number
  type: string
  body: string
}

interface EndpointSources {
  snapshot: () => Snapshot
  health: () => Health
  /** Names of all built-in plugins; defaults to those in use. */
  plugins?: PluginNames | undefined
}

export interface PluginNames {
  inputs: string[]
  filters: string[]
  outputs: string[]
}

type Endpoint = (sources: EndpointSources) => Answer

const JSON_TYPE = 'application/json'
const TEXT_TYPE = 'text/plain; charset=utf-8'

const ENDPOINTS: Record<string, Endpoint> = {
  '/': ({ snapshot }) =>
    json({ 'fluent-bit': { version: snapshot().version, edition: 'Community', flags: [] } }),
  '/api/v1/uptime': ({ snapshot }) => json(uptime(snapshot())),
  '/api/v1/plugins': ({ plugins, snapshot }) => json({ plugins: plugins ?? pluginsInUse(snapshot()) }),
  '/api/v1/metrics': ({ snapshot }) => json(metricsDocument(snapshot())),
  '/api/v1/metrics/prometheus': ({ snapshot }) => prometheus(snapshot(), 1),
  '/api/v1/storage': ({ snapshot }) => json(storage(snapshot())),
  '/api/v1/files': ({ snapshot }) => json({ files: files(snapshot()) }),
  '/api/v1/health': ({ health }) => {
    const { status } = health()
    return { status: status === 'ok' ? 200 : 500, type: TEXT_TYPE, body: `${status}\n` }
  },
  '/api/v2/health': ({ health }) => {
    const state = health()
    return json(state, state.status === 'ok' ? 200 : 500)
  },
  '/api/v2/metrics': ({ snapshot }) => {
    const now = snapshot()
    return { status: 200, type: TEXT_TYPE, body: formatCmetrics(metricFamilies(now, 2), now.nowMs) }
  },
  '/api/v2/metrics/prometheus': ({ snapshot }) => prometheus(snapshot(), 2),
}

/** Returns the endpoint of a path, with or without a trailing slash; undefined when there is none. */
export function endpointOf(path: string): Endpoint | undefined {
  const name = path.length > 2 && path.endsWith('/') ? path.slice(0, -1) : path
  return Object.hasOwn(ENDPOINTS, name) ? ENDPOINTS[name] : undefined
}

export function json(value: unknown, status = 200): Answer {
  return { status, type: JSON_TYPE, body: JSON.stringify(value) }
}

/**
 * Answers with timestamps in version 1 only, as fluent-bit: with them Prometheus does not notice when a
 * series ends.
 */
function prometheus(snapshot: Snapshot, version: 1 | 2): Answer {
  const stamp = version === 1 ? snapshot.nowMs : undefined
  return {
    status: 200,
    type: PROMETHEUS_TYPE,
    body: formatPrometheus(metricFamilies(snapshot, version), stamp),
  }
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
    (status?.files ?? []).map(({ parseFailed, timeFailed, ...file }) => ({
      input: name,
      ...file,
      parse_failed: parseFailed,
      time_failed: timeFailed,
    })),
  )
}

/**
 * Returns fluent-bit's storage document. All chunks are in memory and none on disk, so `fs_` fields are 0. A
 * chunk for two outputs counts twice in the overall total. All chunks of an input are busy, because they wait
 * for an ack; `busy_size` is the memory of the input.
 */
function storage({ inputs, outputs }: Snapshot): unknown {
  const total = outputs.reduce((sum, output) => sum + output.waiting + output.inFlight, 0)
  return {
    storage_layer: {
      chunks: { total_chunks: total, mem_chunks: total, fs_chunks: 0, fs_chunks_up: 0, fs_chunks_down: 0 },
    },
    input_chunks: Object.fromEntries(
      inputs.map(({ name, memory, memoryLimit, chunks }) => [
        name,
        {
          status: {
            overlimit: memoryLimit > 0 && memory >= memoryLimit,
            mem_size: binarySize(memory),
            mem_limit: binarySize(memoryLimit),
          },
          chunks: { total: chunks, up: chunks, down: 0, busy: chunks, busy_size: binarySize(memory) },
        },
      ]),
    ),
  }
}

/** Formats a size as fluent-bit does, 1024-based with one decimal: `0b`, `1.5K`, `47.7M`. */
function binarySize(bytes: number): string {
  let size = bytes
  let unit = 0
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024
    unit++
  }
  return unit === 0 ? `${size}b` : `${size.toFixed(1)}${UNITS[unit]}`
}

const UNITS = ['b', 'K', 'M', 'G', 'T']
