import { figures, fluentBitFloors } from './drain.ts'
import type { Results } from './report.ts'
import { bars, lines, type Series } from './svg.ts'

export interface Plot {
  /** Name of the file in docs/. */
  file: string
  title: string
  svg: string
}

/** Returns the plots of the measurements that exist. */
export function plots(results: Results): Plot[] {
  return [
    throughput(results),
    cpu(results),
    kafka(results),
    relay(results, 'cpu'),
    relay(results, 'rss'),
    refused(results),
  ].filter((plot) => plot !== undefined)
}

function throughput({ drains, versions }: Results): Plot | undefined {
  if (drains.length === 0) return undefined
  const title = 'MB of input per CPU-second, compared with the floor'
  const groups = drains.map((result) => {
    const { title: label, bytes, runs, floor } = result
    const floorRate = figures(bytes, floor).mbPerCpuS
    const fluentBit = fluentBitFloors(result)
    return { label, values: [floorRate, figures(bytes, runs).mbPerCpuS, fluentBit && floorRate / fluentBit] }
  })
  return {
    file: 'bench-throughput.svg',
    title,
    svg: bars(title, ['floor', 'shipper', peerTitle(versions)], groups),
  }
}

function cpu({ drains, versions }: Results): Plot | undefined {
  if (drains.length === 0) return undefined
  const title = 'CPU for the same input, as a multiple of the floor (lower is better)'
  const groups = drains.map((result) => {
    const { title: label, bytes, runs, floor } = result
    const ratio = figures(bytes, floor).mbPerCpuS / figures(bytes, runs).mbPerCpuS
    return { label, values: [ratio, fluentBitFloors(result)] }
  })
  return { file: 'bench-cpu.svg', title, svg: bars(title, ['shipper', peerTitle(versions)], groups) }
}

function peerTitle({ peer }: Results['versions']): string {
  return peer ?? 'fluent-bit (separate run)'
}

function kafka({ kafka: result }: Results): Plot | undefined {
  if (result === undefined) return undefined
  const title = 'From a file to a real Kafka: MB per CPU-second and MB/s'
  const groups = result.clients.map(({ title: label, runs }) => {
    const { mbPerCpuS, wallMbS } = figures(result.bytes, runs)
    return { label, values: [mbPerCpuS, wallMbS] }
  })
  return { file: 'bench-kafka.svg', title, svg: bars(title, ['MB per CPU-second', 'wall MB/s'], groups) }
}

function relay({ relay: result }: Results, what: 'cpu' | 'rss'): Plot | undefined {
  if (result === undefined) return undefined
  const series = result.steps.map(
    ({ wanted, cpuPercent, rssMb }): Series => ({
      name: wanted === 0 ? 'unlimited' : `${wanted.toLocaleString('en')}/s`,
      values: what === 'cpu' ? cpuPercent : rssMb,
    }),
  )
  const title = what === 'cpu' ? 'Relay into Kafka: CPU over time' : 'Relay into Kafka: memory over time'
  const unit = what === 'cpu' ? '% of a core' : 'RSS in MB'
  return { file: `bench-relay-${what}.svg`, title, svg: lines(title, unit, series) }
}

function refused({ refused: result }: Results): Plot | undefined {
  if (result === undefined) return undefined
  const title = 'Memory over time while the peer refuses'
  return {
    file: 'bench-refused.svg',
    title,
    svg: lines(title, 'RSS in MB', [{ name: 'RSS', values: result.rssMb }]),
  }
}
