import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { readSensors } from '../../../src/plugins/inputs/thermal.ts'
import { atEnd, tmp } from '../../support/tmp.ts'
import type { InputCase, Texts } from './source.ts'
import {
  dockerSource,
  EVENT_SECONDS,
  execSource,
  kmsgSource,
  kubernetesSource,
  logsSource,
  noJournal,
  sampled,
  stdinSource,
  systemdSource,
  tailSource,
} from './sources/local.ts'
import {
  forwardSource,
  httpSource,
  lineOf,
  otlpSource,
  SOURCE_SECONDS,
  streamSource,
  udpSource,
  unixDatagramSource,
} from './sources/senders.ts'

/** Records every 10 ms. */
const FAST: Texts = { interval_sec: '0', interval_nsec: '10000000' }
const NOT_TOLD = 'its source is not told, and cannot give its records again'
const PER_TIME = {
  isSampled: true,
  time: 'clock',
  whenFull: { is: 'makes none' },
  full: { limit: 8192, records: 600 },
  settles: NOT_TOLD,
} as const
const FIXED = 'the record is as large as the configuration, or the machine, makes it'
const WAITS = { is: 'waits' } as const
const LIMIT = { limit: 100_000, records: 2000 }

async function healthTexts(): Promise<Texts> {
  const server = createServer((socket) => void socket.destroy())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atEnd(() => void server.close())
  return { port: String((server.address() as { port: number }).port), ...FAST }
}

function headTexts(): Texts {
  const file = join(tmp(), 'value')
  writeFileSync(file, 'value\nmore\n')
  return { file, ...FAST }
}

const lostDatagrams = { is: 'loses', counter: 'lost_datagrams', reason: 'memory' } as const
const cutLine = { counter: 'long_line_truncated', records: 1 } as const
const WHOLE_DATAGRAM = 'no datagram is larger than what is read'
const refusedRequest = {
  texts: { buffer_max_size: '50000' },
  counter: 'refused_requests',
  reason: 'too_large',
  records: 0,
} as const
const hasSensors = readSensors(
  '/sys',
  () => true,
  () => true,
).length

/** What cases of senders over connections have in common, and those of datagrams. */
const STREAM = {
  listens: true,
  endsAfterSender: true,
  time: 'clock',
  whenFull: WAITS,
  full: LIMIT,
  settles: NOT_TOLD,
} as const
const DATAGRAMS = {
  listens: true,
  time: 'clock',
  whenFull: lostDatagrams,
  full: { limit: 40_000, records: 600 },
  settles: NOT_TOLD,
  oversize: WHOLE_DATAGRAM,
} as const

/** At least one case of every input. */
export const CASES: readonly InputCase[] = [
  {
    input: 'tail',
    open: tailSource,
    time: 'clock',
    whenFull: WAITS,
    full: LIMIT,
    settles: 'position',
    oversize: { texts: { buffer_max_size: '1024' }, ...cutLine },
  },
  {
    input: 'stdin',
    open: stdinSource,
    time: 'clock',
    whenFull: WAITS,
    full: LIMIT,
    settles: NOT_TOLD,
    oversize: { texts: { buffer_size: '50000' }, counter: 'split_lines', records: 2 },
  },
  {
    input: 'systemd',
    ...(noJournal === '' ? {} : { missingPeer: noJournal }),
    open: systemdSource,
    time: SOURCE_SECONDS,
    whenFull: WAITS,
    full: { limit: 100_000, records: 1000 },
    settles: 'position',
    oversize: { texts: { max_field_size: '64' }, counter: 'values_cut', records: 1 },
  },
  {
    input: 'forward',
    listens: true,
    open: forwardSource,
    time: SOURCE_SECONDS,
    whenFull: WAITS,
    full: { ...LIMIT, batch: 20 },
    settles: 'answer',
    oversize: { texts: { buffer_max_size: '65536' }, counter: 'closed_peers', records: 0 },
  },
  {
    input: 'http',
    listens: true,
    open: httpSource,
    time: 'clock',
    whenFull: WAITS,
    full: { limit: 100_000, records: 1000, batch: 20 },
    settles: 'answer',
    oversize: refusedRequest,
  },
  {
    input: 'opentelemetry',
    listens: true,
    open: otlpSource,
    time: SOURCE_SECONDS,
    whenFull: WAITS,
    full: { limit: 100_000, records: 1000, batch: 20 },
    settles: 'answer',
    oversize: refusedRequest,
  },
  {
    input: 'tcp',
    ...STREAM,
    open: (texts) => streamSource({ format: 'none', ...texts }, lineOf, 'log'),
    oversize: { texts: { buffer_size: '50' }, ...cutLine },
  },
  {
    input: 'udp',
    ...DATAGRAMS,
    open: (texts) => udpSource({ format: 'none', ...texts }, lineOf, 'log'),
  },
  {
    input: 'syslog',
    what: 'tcp',
    ...STREAM,
    open: (texts) => streamSource({ mode: 'tcp', ...texts }, lineOf, 'message'),
    oversize: { texts: { buffer_max_size: '1024' }, ...cutLine },
  },
  {
    input: 'syslog',
    what: 'unix_tcp',
    ...STREAM,
    open: (texts) => streamSource({ mode: 'unix_tcp', ...texts }, lineOf, 'message'),
    oversize: { texts: { buffer_max_size: '1024' }, ...cutLine },
  },
  {
    input: 'syslog',
    what: 'udp',
    ...DATAGRAMS,
    open: (texts) => udpSource({ mode: 'udp', ...texts }, lineOf, 'message'),
  },
  {
    input: 'syslog',
    what: 'unix_udp',
    listens: true,
    open: (texts) => unixDatagramSource({ mode: 'unix_udp', ...texts }, lineOf, 'message'),
    time: 'clock',
    whenFull: WAITS,
    full: LIMIT,
    settles: NOT_TOLD,
    oversize: WHOLE_DATAGRAM,
  },
  {
    input: 'exec',
    open: execSource,
    time: 'clock',
    whenFull: WAITS,
    full: LIMIT,
    settles: NOT_TOLD,
    oversize: { texts: { buf_size: '50001' }, counter: 'split_lines', records: 2 },
  },
  {
    input: 'kmsg',
    open: kmsgSource,
    time: 'clock',
    whenFull: WAITS,
    full: LIMIT,
    settles: 'position',
    oversize: 'the kernel makes no message that is longer than what is read',
  },
  {
    input: 'docker_events',
    open: dockerSource,
    time: EVENT_SECONDS,
    whenFull: WAITS,
    full: LIMIT,
    settles: 'position',
    oversize: { counter: 'events_oversize', records: 0 },
  },
  {
    input: 'kubernetes_events',
    open: kubernetesSource,
    time: Date.UTC(2026, 10, 21, 6) / 1000,
    whenFull: WAITS,
    full: { limit: 100_000, records: 1000 },
    settles: 'position',
    oversize: { counter: 'events_oversize', records: 0 },
  },
  {
    input: 'fluentbit_logs',
    open: logsSource,
    time: 'clock',
    whenFull: { is: 'loses', counter: 'lost_lines', reason: 'memory' },
    full: { limit: 40_000, records: 2000 },
    settles: NOT_TOLD,
    oversize: 'the log limits its lines',
  },
  {
    input: 'fluentbit_metrics',
    open: sampled(() => ({ scrape_interval: '0.1' })),
    noRecords: 'it shows metrics, which are no records',
    time: '',
    whenFull: '',
    settles: '',
    oversize: '',
  },
  {
    input: 'dummy',
    open: sampled(() => FAST),
    ...PER_TIME,
    whenFull: WAITS,
    oversize: FIXED,
  },
  { input: 'random', open: sampled(() => FAST), ...PER_TIME, oversize: FIXED },
  { input: 'cpu', open: sampled(() => FAST), ...PER_TIME, oversize: FIXED },
  { input: 'mem', open: sampled(() => FAST), ...PER_TIME, oversize: FIXED },
  { input: 'disk', open: sampled(() => FAST), ...PER_TIME, oversize: FIXED },
  { input: 'netif', open: sampled(() => ({ interface: 'lo', ...FAST })), ...PER_TIME, oversize: FIXED },
  { input: 'proc', open: sampled(() => ({ proc_name: 'none-such', ...FAST })), ...PER_TIME, oversize: FIXED },
  { input: 'health', open: sampled(healthTexts), ...PER_TIME, oversize: FIXED },
  {
    input: 'head',
    open: sampled(headTexts),
    ...PER_TIME,
    oversize: 'of a file only Buf_Size bytes are read',
  },
  {
    input: 'thermal',
    open: sampled(() => FAST),
    ...PER_TIME,
    oversize: FIXED,
    ...(hasSensors === 0 ? { noRecords: 'this machine has no sensors of temperature' } : {}),
  },
]
