import { costs, type DrainResult, figures, fluentBitFloors } from './drain.ts'
import type { KafkaResult } from './kafka.ts'
import type { DelayResult, IdleResult, RefusedResult, SteadyResult } from './live.ts'
import { median, type Usage } from './measure.ts'
import type { RelayResult } from './relay.ts'
import type { StoreResult } from './stores.ts'
import { WORKLOADS } from './workloads.ts'

/** All measurements of a run: the single runs, so that tables and plots can be generated later. */
/** When, where and with what a run was made. */
export interface RunInfo {
  date: string
  machine: Machine
  versions: { shipper: string; bun: string; peer: string | undefined }
  settings: { runs: number; lines: number }
}

export interface Results extends RunInfo {
  /** Language of the floor. */
  floor: 'C' | 'bun'
  drains: DrainResult[]
  stores: StoreResult[]
  /** The run that measured the stores, if it was another one. */
  storesBy?: RunInfo
  kafka: KafkaResult | undefined
  relay: RelayResult | undefined
  idle: IdleResult | undefined
  steady: SteadyResult[]
  peerSteady: SteadyResult[]
  start: DelayResult | undefined
  appends: DelayResult[]
  refused: RefusedResult | undefined
}

export interface Machine {
  cpu: string
  cores: number
  /** Release of the Linux kernel. */
  kernel: string
  memoryGb: number
  /** Load average at the start of the run: the work of other programs. */
  load: number
  /** Load average at the end; one core of it is the measurement itself. */
  loadAtEnd: number
}

/** Goals of the figures that are not drains. */
const GOALS = {
  idle: { rssMb: 40, anonymousMb: 7, cpuMsPerMinute: 20 },
  startMs: 60,
  appendMs: { '0.1': 55, '0.01': 12 } as Record<string, number>,
}

/** Load average above which other programs were busy at the start of the run. */
const MAX_QUIET_LOAD = 0.5

/** Returns the tables of a run as Markdown. */
export function report(results: Results): string {
  return [
    machineText(results),
    drainTable(results),
    costTable(results),
    peerTable(results),
    storeTable(results),
    kafkaTable(results.kafka),
    relayTable(results.relay),
    liveTable(results),
    problems(results),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

function machineText(results: Results): string {
  const [where, ...what] = runText(results)
  const language =
    results.floor === 'C' ? 'C' : 'TypeScript, which takes about twice the CPU time of one in C'
  return [where, `The floor is a program in ${language}.`, ...what].join('\n')
}

/** Returns lines about a run, the first one with its date and machine. */
function runText({ date, machine, versions, settings }: RunInfo): string[] {
  const peer = versions.peer === undefined ? '' : `, ${versions.peer}`
  const busy = machine.load > MAX_QUIET_LOAD
  return [
    `${date}: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, Linux ${machine.kernel}, load ${machine.load} at the start and ${machine.loadAtEnd} at the end.`,
    `shipper ${versions.shipper}, bun ${versions.bun}${peer}. ${settings.lines.toLocaleString('en')} lines, ${settings.runs === 1 ? 'one run' : `median of ${settings.runs} runs`}.`,
    ...(busy
      ? ['The machine was busy with other work: absolute figures are too low, ratios are more reliable.']
      : []),
  ]
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function drainTable({ drains }: Results): string {
  if (drains.length === 0) return ''
  const head = [
    'workload',
    'MB/CPU-s',
    'floor, MB/CPU-s',
    'floor / n',
    'before¹',
    'goal',
    'wall MB/s',
    'peak RSS',
    'reached',
    'fluent-bit²',
  ]
  return table(head, drains.map(drainRow))
}

function drainRow(result: DrainResult): string[] {
  const workload = WORKLOADS.find(({ name }) => name === result.name)
  const goal = workload?.goal ?? { peakRssMb: Number.POSITIVE_INFINITY }
  const own = figures(result.bytes, result.runs)
  const floor = figures(result.bytes, result.floor)
  const ratio = ratioOf(result.bytes, result.runs, result.floor)
  const goals: [text: string, name: string, missed: boolean][] = []
  if (goal.floors !== undefined) goals.push([`floor / ${goal.floors}`, 'CPU', ratio > goal.floors])
  if (goal.wallMbS !== undefined) goals.push([`wall ${goal.wallMbS}`, 'wall', own.wallMbS < goal.wallMbS])
  goals.push([`${goal.peakRssMb} MB`, 'RSS', own.peakRssMb > goal.peakRssMb])
  const fluentBit = fluentBitFloors(result)
  const missed = goals.filter((each) => each[2]).map((each) => each[1])
  if (result.problems.length > 0) missed.push('arrival')
  return [
    result.title,
    own.mbPerCpuS.toFixed(0),
    floor.mbPerCpuS.toFixed(0),
    `floor / ${ratio.toFixed(1)}`,
    result.before.length === 0
      ? ''
      : `floor / ${ratioOf(result.bytes, result.before, result.floor).toFixed(1)}`,
    goals.map((each) => each[0]).join(', '),
    own.wallMbS.toFixed(0),
    `${own.peakRssMb.toFixed(0)} MB`,
    missed.length === 0 ? 'yes' : `no (${missed.join(', ')})`,
    fluentBit === undefined ? '' : `floor / ${Number(fluentBit.toFixed(1))}`,
  ]
}

/** The cost of a start, and that of each further GB, which is what counts in the long run. */
function costTable({ drains }: Results): string {
  if (drains.length === 0) return ''
  const rows = drains.map(({ title, bytes, runs, floor, quarter }) => {
    const own = costs(bytes, runs, quarter)
    const least = costs(bytes, floor, { bytes: quarter.bytes, runs: quarter.floor })
    const ratio = `floor / ${(own.msPerGb / least.msPerGb).toFixed(1)}`
    return [title, own.startMs.toFixed(0), own.msPerGb.toFixed(0), least.msPerGb.toFixed(0), ratio]
  })
  const head = [
    'CPU time',
    'start, ms',
    'each further GB, ms',
    'each further GB of the floor, ms',
    'floor / n',
  ]
  return table(head, rows)
}

function ratioOf(bytes: number, runs: Usage[], floor: Usage[]): number {
  return figures(bytes, floor).mbPerCpuS / figures(bytes, runs).mbPerCpuS
}

function peerTable({ drains, versions }: Results): string {
  const measured = drains.filter((result) => result.peer.length > 0)
  if (measured.length === 0) return ''
  const head = [`${versions.peer} in the same run`, 'MB/CPU-s', 'floor / n', 'wall MB/s', 'peak RSS']
  const rows = measured.map((result) => {
    const peer = figures(result.bytes, result.peer)
    const ratio = figures(result.bytes, result.floor).mbPerCpuS / peer.mbPerCpuS
    const cells = [peer.mbPerCpuS.toFixed(0), `floor / ${ratio.toFixed(1)}`, peer.wallMbS.toFixed(0)]
    return [result.title, ...cells, `${peer.peakRssMb.toFixed(0)} MB`]
  })
  return table(head, rows)
}

function kafkaTable(result: KafkaResult | undefined): string {
  if (result === undefined) return ''
  const rows = result.clients.map(({ title, goal, runs }) => {
    const { mbPerCpuS, wallMbS, peakRssMb } = figures(result.bytes, runs)
    const missed =
      goal === undefined ? [] : [mbPerCpuS < goal.mbPerCpuS && 'CPU', peakRssMb > goal.peakRssMb && 'RSS']
    const names = missed.filter((name) => name !== false)
    const reached = goal === undefined ? '' : names.length === 0 ? 'yes' : `no (${names.join(', ')})`
    const wanted = goal === undefined ? '' : `${goal.mbPerCpuS} MB/CPU-s, ${goal.peakRssMb} MB`
    return [title, mbPerCpuS.toFixed(0), wanted, wallMbS.toFixed(0), `${peakRssMb.toFixed(0)} MB`, reached]
  })
  return table(['to a real Kafka', 'MB/CPU-s', 'goal', 'wall MB/s', 'peak RSS', 'reached'], rows)
}

function storeTable({ stores, versions, storesBy }: Results): string {
  if (stores.length === 0) return ''
  const rows = stores.map(({ title, goal, bytes, runs, before, peer }) => {
    const { mbPerCpuS, wallMbS, peakRssMb } = figures(bytes, runs)
    const missed = [mbPerCpuS < goal.mbPerCpuS && 'CPU', peakRssMb > goal.peakRssMb && 'RSS']
    const names = missed.filter((name) => name !== false)
    const shortOf = (others: Usage[]): string => {
      if (others.length === 0) return ''
      const other = figures(bytes, others)
      return `${other.mbPerCpuS.toFixed(0)}, ${other.peakRssMb.toFixed(0)} MB`
    }
    return [
      ...[title, mbPerCpuS.toFixed(0), shortOf(before), `${goal.mbPerCpuS} MB/CPU-s, ${goal.peakRssMb} MB`],
      ...[wallMbS.toFixed(0), `${peakRssMb.toFixed(0)} MB`],
      ...[names.length === 0 ? 'yes' : `no (${names.join(', ')})`, shortOf(peer)],
    ]
  })
  const head = ['to a store', 'MB/CPU-s', 'before', 'goal', 'wall MB/s', 'peak RSS', 'reached']
  const { peer } = (storesBy ?? { versions }).versions
  const text = table([...head, peer ?? 'fluent-bit'], rows)
  return storesBy === undefined ? text : `${text}\n\nTo stores, ${runText(storesBy).join('\n')}`
}

function relayTable(result: RelayResult | undefined): string {
  if (result === undefined) return ''
  const rows = result.steps.map(({ wanted, acked, cpuPercent, rssMb }) => [
    wanted === 0 ? 'unlimited' : wanted.toLocaleString('en'),
    Math.round(median(acked)).toLocaleString('en'),
    `${median(cpuPercent).toFixed(1)} %`,
    `${median(rssMb).toFixed(0)} MB`,
    `${Math.max(...rssMb).toFixed(0)} MB`,
  ])
  const head = ['relay, forward → Kafka: records/s', 'acknowledged/s', 'CPU of a core', 'RSS', 'highest RSS']
  return table(head, rows)
}

function liveTable(results: Results): string {
  const rows = [
    ...idleRows(results.idle),
    ...steadyRows(results),
    ...delayRows(results),
    ...refusedRows(results.refused),
  ]
  return rows.length === 0 ? '' : table(['latency and idle use', 'figure', 'goal', 'reached'], rows)
}

function idleRows(idle: IdleResult | undefined): string[][] {
  if (idle === undefined) return []
  const row = (what: string, value: number, unit: string, goal: number): string[] => [
    `idle ${idle.seconds} s (tail, SQLite, forward connected): ${what}`,
    `${value.toFixed(1)} ${unit}`,
    `${goal} ${unit}`,
    value <= goal ? 'yes' : 'no',
  ]
  return [
    row('RSS', idle.rssMb, 'MB', GOALS.idle.rssMb),
    row('anonymous memory', idle.anonymousMb, 'MB', GOALS.idle.anonymousMb),
    row('CPU per minute', idle.cpuMsPerMinute, 'ms', GOALS.idle.cpuMsPerMinute),
    [
      'idle: context switches per minute, threads',
      `${idle.switchesPerMinute.toFixed(0)}, ${idle.threads}`,
      '',
      '',
    ],
  ]
}

function steadyRows({ steady, peerSteady, versions }: Results): string[][] {
  const row = (who: string, { files, linesPerS, flush, cpuMsPerS, rssMb }: SteadyResult): string[] => [
    `${who}${files} files, ${linesPerS.toLocaleString('en')} lines/s, Flush ${flush}: CPU of a core, RSS (highest)`,
    `${(cpuMsPerS / 10).toFixed(1)} %, ${median(rssMb).toFixed(0)} MB (${Math.max(...rssMb).toFixed(0)})`,
    '',
    '',
  ]
  return [
    ...steady.map((result) => row('', result)),
    ...peerSteady.map((result) => row(`${versions.peer}: `, result)),
  ]
}

function delayRows({ start, appends }: Results): string[][] {
  const row = (title: string, delay: DelayResult, goal: number | undefined): string[] => [
    `${title} at Flush ${delay.flush}: median of ${delay.delaysMs.length} (95th percentile)`,
    `${delay.medianMs.toFixed(1)} ms (${delay.p95Ms.toFixed(1)})`,
    goal === undefined ? '' : `${goal} ms`,
    goal === undefined ? '' : delay.medianMs <= goal ? 'yes' : 'no',
  ]
  const starts = start === undefined ? [] : [row('start to first line delivered', start, GOALS.startMs)]
  return [...starts, ...appends.map((delay) => row('append to sink', delay, GOALS.appendMs[delay.flush]))]
}

function refusedRows(refused: RefusedResult | undefined): string[][] {
  if (refused === undefined) return []
  const { rssMb } = refused
  const settled = rssMb[Math.min(2, rssMb.length - 1)] ?? Number.NaN
  const last = rssMb.at(-1) ?? Number.NaN
  const flat = last - settled <= 2 && refused.peakRssMb <= 64
  return [
    [
      `peer refuses for ${refused.seconds} s: RSS after 3 s, at the end, peak including the drain`,
      `${settled.toFixed(1)}, ${last.toFixed(1)}, ${refused.peakRssMb.toFixed(1)} MB`,
      'flat, 64 MB',
      flat ? 'yes' : 'no',
    ],
    [
      'peer back: time to the first chunk; rate of the drain',
      `${refused.firstMs.toFixed(0)} ms; ${(refused.bytes / 1e3 / (refused.restMs - refused.firstMs)).toFixed(0)} MB/s`,
      '2000 ms',
      refused.firstMs <= 2000 && refused.arrived === refused.records ? 'yes' : 'no',
    ],
  ]
}

function problems({ drains, stores, kafka, relay, refused }: Results): string {
  const lines = [...drains, ...stores, kafka].flatMap((result) => result?.problems ?? [])
  if (relay !== undefined && relay.records < relay.acked)
    lines.push(`relay: ${relay.records} of ${relay.acked} acknowledged records are in Kafka`)
  if (refused !== undefined && refused.arrived !== refused.records) {
    lines.push(`refused: ${refused.arrived} of ${refused.records} records arrived`)
  }
  if (lines.length === 0) return ''
  return ['Not all records arrived as expected:', ...lines.map((line) => `- ${line}`)].join('\n')
}
