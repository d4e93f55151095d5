import { describe, expect, test } from 'bun:test'
import type { Snapshot } from '../../../src/core/snapshot.ts'
import { metricFamilies, metricsDocument } from '../../../src/observe/http/metrics.ts'
import { formatPrometheus } from '../../../src/observe/http/prometheus.ts'
import {
  sampleBuffer,
  sampleFile,
  sampleFilter,
  sampleInput,
  sampleOutput,
  sampleSnapshot,
} from '../../support/engine/snapshot.ts'
import { type ParsedSample, parsePrometheus } from '../prometheus-parser.ts'

function scrape(snapshot: Snapshot, version: 1 | 2) {
  return parsePrometheus(formatPrometheus(metricFamilies(snapshot, version)))
}

function only(snapshot: Snapshot, name: string, version: 1 | 2 = 1): ParsedSample | undefined {
  const samples = scrape(snapshot, version).get(name)?.samples ?? []
  expect(samples.length).toBeLessThanOrEqual(1)
  return samples[0]
}

test('the document has fluent-bit’s field names', () => {
  expect(metricsDocument(sampleSnapshot())).toEqual({
    input: {
      'tail.0': {
        records: 12,
        bytes: 2400,
        files_opened: 2,
        files_closed: 0,
        files_rotated: 1,
        bytes_abandoned: 0,
      },
    },
    filter: { 'grep.0': { drop_records: 3, add_records: 0, records: 12, bytes: 2400, drop_bytes: 600 } },
    output: {
      'forward.0': {
        proc_records: 9,
        proc_bytes: 1800,
        errors: 1,
        retries: 2,
        retries_failed: 0,
        dropped_records: 0,
        retried_records: 4,
        connections_opened: 3,
      },
    },
  })
})

test('records that an output has taken over are a gauge, where it has any', () => {
  const held = { records: 40, bytes: 2000, where: '' }
  expect(
    only(sampleSnapshot({ outputs: [sampleOutput({ held })] }), 'shipper_output_held_records')?.value,
  ).toBe(40)
  expect(only(sampleSnapshot(), 'shipper_output_held_records')).toBeUndefined()
})

test('the help of a plugin’s own counter is that of its table', () => {
  const inputs = [sampleInput({ counters: { lost: 0 }, counterHelp: { lost: 'bytes that were lost' } })]
  const family = metricFamilies(sampleSnapshot({ inputs }), 2).find(
    (f) => f.name === 'shipper_input_lost_total',
  )
  expect(family).toMatchObject({ help: 'bytes that were lost (tail).', samples: [{ value: 0 }] })
})

test('a counter of a filter with the name of a counter of outputs has its own help', () => {
  const counterHelp = { dropped_records: 'records on which the filter failed' }
  const filters = [sampleFilter({ counters: { dropped_records: 1 }, counterHelp })]
  const find = (name: string) => metricFamilies(sampleSnapshot({ filters }), 2).find((f) => f.name === name)
  expect(find('shipper_filter_dropped_records_total')?.help).toBe(
    'records on which the filter failed (grep).',
  )
  expect(find('fluentbit_output_dropped_records_total')?.help).toBe('Records dropped by the output.')
})

test('a counter with reasons has one series per reason; the document has their sum and the reasons', () => {
  const lost = { counters: { lost: 7 }, counterReasons: { lost: { cut: 5, gone: 2 } } }
  const snapshot = sampleSnapshot({ inputs: [sampleInput(lost)] })
  for (const version of [1, 2] as const) {
    expect(
      scrape(snapshot, version)
        .get('shipper_input_lost_total')
        ?.samples.map(({ labels, value }) => [labels, value]),
    ).toEqual([
      [{ name: 'tail.0', reason: 'cut' }, 5],
      [{ name: 'tail.0', reason: 'gone' }, 2],
    ])
  }
  expect(metricsDocument(snapshot).input['tail.0']).toEqual({
    records: 12,
    bytes: 2400,
    lost: 7,
    reasons: { lost: { cut: 5, gone: 2 } },
  })
})

test('a plugin’s counter cannot replace a common one, and an alias may be any word', () => {
  const inputs = [sampleInput({ name: '__proto__', counters: { records: 999 } })]
  const text = JSON.stringify(metricsDocument(sampleSnapshot({ inputs })))
  expect(text).toStartWith('{"input":{"__proto__":{"records":12,')
})

describe('series', () => {
  test.each([1, 2] as const)(
    'of version %d are valid text for an agent with and without parts',
    (version) => {
      const snapshot = sampleSnapshot()
      expect(scrape(snapshot, version).size).toBeGreaterThan(30)
      expect(scrape(sampleSnapshot({ inputs: [], filters: [], outputs: [] }), version).size).toBeGreaterThan(
        3,
      )
    },
  )

  test('have fluent-bit’s names and the instance, and no time, with which a dead agent would stay alive', () => {
    const snapshot = sampleSnapshot()
    expect(only(snapshot, 'fluentbit_input_records_total')).toEqual({
      name: 'fluentbit_input_records_total',
      labels: { name: 'tail.0' },
      value: 12,
      timestamp: undefined,
    })
    for (const name of [
      'fluentbit_input_bytes_total',
      'fluentbit_input_files_opened_total',
      'fluentbit_filter_drop_records_total',
      'fluentbit_filter_add_records_total',
      'fluentbit_output_proc_records_total',
      'fluentbit_output_proc_bytes_total',
      'fluentbit_output_errors_total',
      'fluentbit_output_retries_total',
      'fluentbit_output_retries_failed_total',
      'fluentbit_output_retried_records_total',
      'fluentbit_output_dropped_records_total',
    ]) {
      expect(only(snapshot, name)).toBeDefined()
    }
  })

  test('with the same name are grouped, one per instance', () => {
    const outputs = [sampleOutput(), sampleOutput({ name: 'a "quoted" \\ alias\n', procRecords: 1 })]
    const family = scrape(sampleSnapshot({ outputs }), 1).get('fluentbit_output_proc_records_total')
    expect(family?.samples.map((s) => [s.labels.name, s.value])).toEqual([
      ['forward.0', 9],
      ['a "quoted" \\ alias\n', 1],
    ])
  })
})

describe('series that fluent-bit lacks', () => {
  test('have the prefix shipper_', () => {
    expect(only(sampleSnapshot(), 'shipper_input_bytes_abandoned_total')?.value).toBe(0)
    expect(only(sampleSnapshot(), 'shipper_output_connections_opened_total')?.value).toBe(3)
    expect(only(sampleSnapshot(), 'shipper_memory_used_bytes')?.value).toBe(1_500_000)
    expect(only(sampleSnapshot(), 'shipper_memory_limit_bytes')?.value).toBe(16_000_000)
    expect(only(sampleSnapshot(), 'shipper_output_retrying_chunks')?.value).toBe(1)
    expect(only(sampleSnapshot(), 'shipper_output_next_retry_seconds')?.value).toBeCloseTo(3.2)
    const idle = sampleSnapshot({ outputs: [sampleOutput({ retrying: 0, retryAtMs: undefined })] })
    expect(only(idle, 'shipper_output_next_retry_seconds')).toBeUndefined()
  })

  test('tell whether an output is up, since when not, and when it has delivered last', () => {
    expect(only(sampleSnapshot(), 'shipper_output_up')?.value).toBe(1)
    expect(only(sampleSnapshot(), 'shipper_output_down_seconds')?.value).toBe(0)
    const nowMs = sampleSnapshot().nowMs
    const down = { sinceMs: nowMs - 12_500, attempts: 3, reason: 'no' }
    const lost = sampleSnapshot({ outputs: [sampleOutput({ down, lastDeliveryMs: undefined })] })
    expect(only(lost, 'shipper_output_up')?.value).toBe(0)
    expect(only(lost, 'shipper_output_down_seconds')?.value).toBe(12.5)
    expect(only(lost, 'shipper_output_dead_letter_failure_seconds')?.value).toBe(0)
    const unkept = { sinceMs: sampleSnapshot().nowMs - 3500, reason: 'full', hint: 'replay it' }
    const stuck = sampleSnapshot({ outputs: [sampleOutput({ unkept })] })
    expect(only(stuck, 'shipper_output_dead_letter_failure_seconds')?.value).toBe(3.5)
    const last = 'shipper_output_last_delivery_timestamp_seconds'
    expect(only(sampleSnapshot(), last)?.value).toBe(Date.UTC(2026, 10, 21, 5, 59) / 1000)
    expect(only(lost, last)).toBeUndefined()
  })

  test('of the process have the names that Prometheus clients use', () => {
    for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'process_open_fds'])
      for (const version of [1, 2] as const)
        expect([name, (only(sampleSnapshot(), name, version)?.value ?? 0) > 0]).toEqual([name, true])
  })

  test('are a sum and a maximum for files, however many there are', () => {
    const files = Array.from({ length: 1000 }, (_, i) => sampleFile({ path: `/f${i}`, lag: i }))
    const snapshot = sampleSnapshot({ inputs: [sampleInput({ status: { files } })] })
    expect(only(snapshot, 'shipper_input_files')?.value).toBe(1000)
    expect(only(snapshot, 'shipper_input_lag_bytes')?.value).toBe(499_500)
    expect(only(snapshot, 'shipper_input_lag_bytes_max')?.value).toBe(999)
    expect(scrape(snapshot, 1).size).toBe(scrape(sampleSnapshot(), 1).size)
  })

  test('have the labels of their API version for the process', () => {
    expect(only(sampleSnapshot(), 'fluentbit_build_info')).toMatchObject({
      labels: { version: '0.1.0', edition: 'Community' },
      value: 1,
      timestamp: undefined,
    })
    expect(only(sampleSnapshot(), 'process_start_time_seconds')?.value).toBe(Date.UTC(2026, 10, 21, 5) / 1000)
    expect(only(sampleSnapshot(), 'fluentbit_uptime', 2)).toMatchObject({
      labels: { hostname: 'leaf-1' },
      value: 3600,
    })
    expect(only(sampleSnapshot(), 'fluentbit_build_info', 2)?.labels).toEqual({
      hostname: 'leaf-1',
      version: '0.1.0',
      os: 'linux',
    })
  })

  test('show that an input is paused and over its limit', () => {
    const inputs = [sampleInput({ paused: true, memory: 500, memoryLimit: 500 })]
    const snapshot = sampleSnapshot({ inputs })
    expect(only(snapshot, 'shipper_input_paused')?.value).toBe(1)
    expect(only(snapshot, 'fluentbit_input_ingestion_paused', 2)?.value).toBe(1)
    expect(only(snapshot, 'fluentbit_input_storage_overlimit', 2)?.value).toBe(1)
    const free = sampleSnapshot({ inputs: [sampleInput({ memory: 500, memoryLimit: 0 })] })
    expect(only(free, 'fluentbit_input_storage_overlimit', 2)?.value).toBe(0)
  })
})

describe('metrics that filters make of records', () => {
  const made = (name: string, value: number, type: 'counter' | 'gauge' = 'counter') => [
    { name, help: 'h', type, samples: [{ labels: { code: '200' }, value }] },
  ]
  const shown = (...filters: Snapshot['filters']): string[] =>
    formatPrometheus(metricFamilies(sampleSnapshot({ filters }), 2))
      .split('\n')
      .filter((line) => line.includes('code="200"'))

  test('stand beside those of the agent, under their names', () => {
    expect(shown(sampleFilter({ metrics: () => made('log_metric_counter_hits', 3) }))).toEqual([
      'log_metric_counter_hits{code="200"} 3',
    ])
  })

  test('of one name have the label filter, and one of another type has another name', () => {
    const lines = shown(
      sampleFilter({ name: 'a', metrics: () => made('x', 1) }),
      sampleFilter({ name: 'b', metrics: () => made('x', 2) }),
      sampleFilter({ name: 'c', metrics: () => made('x', 3, 'gauge') }),
    )
    expect(lines.toSorted()).toEqual([
      'log_metric_gauge_x{code="200",filter="c"} 3',
      'x{code="200",filter="a"} 1',
      'x{code="200",filter="b"} 2',
    ])
  })

  test('of one name keep a label filter of their own, and log_filter tells them apart', () => {
    const own = (value: number) => [
      {
        name: 'x',
        help: 'h',
        type: 'counter' as const,
        samples: [{ labels: { code: '200', filter: 'mine' }, value }],
        labelNames: ['code', 'filter'],
      },
    ]
    const lines = shown(
      sampleFilter({ name: 'a', metrics: () => own(1) }),
      sampleFilter({ name: 'b', metrics: () => made('x', 2) }),
    )
    expect(lines.toSorted()).toEqual([
      'x{code="200",filter="mine",log_filter="a"} 1',
      'x{code="200",log_filter="b"} 2',
    ])
  })

  test('never hide one of the agent', () => {
    const filter = sampleFilter({ metrics: () => made('fluentbit_uptime', 1) })
    expect(shown(filter)).toEqual(['log_metric_counter_fluentbit_uptime{code="200"} 1'])
    expect(only(sampleSnapshot({ filters: [filter] }), 'fluentbit_uptime', 2)).toBeDefined()
  })
})

test('a filter with dead letters says for how long they cannot be kept', () => {
  const snapshot = sampleSnapshot()
  const unkept = { sinceMs: snapshot.nowMs - 3500, reason: 'full', hint: 'replay it' }
  const counters = { dead_letters: 4 }
  const filters = [
    sampleFilter({ name: 'lua.0', unkept, counters, counterReasons: { dead_letters: { filter: 4 } } }),
    sampleFilter(),
  ]
  const text = formatPrometheus(metricFamilies({ ...snapshot, filters }, 2))
  expect(text).toContain('shipper_filter_dead_letter_failure_seconds{name="lua.0"} 3.5\n')
  expect(text).toContain('shipper_filter_dead_letters_total{name="lua.0",reason="filter"} 4\n')
  expect(text).not.toContain('failure_seconds{name="grep.0"}')
})

test('the gauges of fluent-bit’s storage layer count chunks on disk, in version 2 only', () => {
  // 3 chunks in the queues of outputs, all of the buffer; 63 in the buffer, 7 of them in memory.
  const snapshot = sampleSnapshot({
    outputs: [sampleOutput({ waiting: 8, inFlight: 1 })],
    buffer: sampleBuffer(),
  })
  const value = (name: string): number | undefined => only(snapshot, name, 2)?.value
  expect({
    total: value('fluentbit_storage_chunks'),
    memory: value('fluentbit_storage_mem_chunks'),
    disk: value('fluentbit_storage_fs_chunks'),
    up: value('fluentbit_storage_fs_chunks_up'),
    down: value('fluentbit_storage_fs_chunks_down'),
  }).toEqual({ total: 65, memory: 2, disk: 63, up: 7, down: 56 })
  expect(only(snapshot, 'fluentbit_storage_chunks', 1)).toBeUndefined()
})

test('a buffer on disk has metrics of its own, and none when there is no buffer', () => {
  const problem = { sinceMs: sampleSnapshot().nowMs - 12_500, reason: 'full', hint: 'free space' }
  const unknownOutputs = [{ name: 'old', chunks: 1, records: 2, bytes: 3 }]
  const buffer = sampleBuffer({ problem, lostRecords: 8, damagedParts: 1, unknownOutputs })
  const snapshot = sampleSnapshot({ buffer })
  for (const version of [1, 2] as const) {
    const value = (name: string): number | undefined => only(snapshot, name, version)?.value
    expect(value('shipper_buffer_bytes')).toBe(17_000_000)
    expect(value('shipper_buffer_segments')).toBe(2)
    expect(value('shipper_buffer_failure_seconds')).toBe(12.5)
    expect(value('shipper_buffer_lost_records_total')).toBe(8)
    expect(value('shipper_buffer_damaged_parts_total')).toBe(1)
    const samples = (name: string) =>
      scrape(snapshot, version)
        .get(name)
        ?.samples.map((sample) => [sample.labels.name, sample.value])
    expect(samples('shipper_output_buffered_bytes')).toEqual([
      ['forward.0', 6000],
      ['kafka.0', 15_000_000],
    ])
    expect(samples('shipper_buffer_unknown_output_records')).toEqual([['old', 2]])
    expect(samples('shipper_buffer_unknown_output_bytes')).toEqual([['old', 3]])
    expect(samples('shipper_output_buffer_limit_bytes')).toEqual([['kafka.0', 20_000_000]])
    expect(samples('shipper_output_buffer_dropped_records_total')).toEqual([
      ['forward.0', 0],
      ['kafka.0', 70],
    ])
    expect([...scrape(sampleSnapshot(), version).keys()].filter((name) => name.includes('buffer'))).toEqual(
      [],
    )
  }
})
