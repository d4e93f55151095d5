import { describe, expect, test } from 'bun:test'
import type { Family } from '../../../src/core/metric-family.ts'
import { spec } from '../../../src/plugins/inputs/fluentbit-metrics.ts'
import { InputRun } from '../../support/engine/input-run.ts'

const FAMILIES: Family[] = [
  { name: 'fluentbit_uptime', help: 'h', type: 'counter', samples: [{ labels: {}, value: 1 }] },
]

describe('fluentbit_metrics', () => {
  function started(options: Record<string, string>, isPrinted = true) {
    const shown: { tag: string; families: Family[] }[] = []
    const run = new InputRun(spec, options, undefined, {
      agentMetrics: async () => FAMILIES,
      showMetrics: (tag, families) => {
        if (isPrinted) shown.push({ tag, families: families() })
        return isPrinted
      },
    })
    return { run, shown }
  }

  test('shows the metrics under its tag every two seconds, and makes no records', async () => {
    const { run, shown } = started({})
    await run.pass(6500, 100)
    expect(shown).toHaveLength(3)
    expect(shown[0]).toEqual({ tag: 't', families: FAMILIES })
    expect(run.takeRecords()).toEqual([])
    expect(run.counters.get('metrics_scrapes')).toBe(3)
    await run.stop()
  })

  test('Scrape_Interval is the time between, and Scrape_On_Start shows them at once', async () => {
    const { run, shown } = started({ scrape_interval: '10', scrape_on_start: 'on' })
    await run.pass(500, 100)
    expect(shown).toHaveLength(1)
    await run.pass(10_000, 100)
    expect(shown).toHaveLength(2)
    await run.stop()
    expect(run.bench.clock.waiting).toBe(0)
  })

  test('without an output that prints them it says so once, and looks no more', async () => {
    const { run } = started({}, false)
    await run.pass(10_000, 100)
    expect(run.log.filter((line) => line.includes('no output prints the metrics'))).toHaveLength(1)
    expect(run.counters.get('metrics_scrapes')).toBe(1)
    await run.stop()
  })

  test('an error costs one interval', async () => {
    let n = 0
    const run = new InputRun(spec, {}, undefined, {
      agentMetrics: async () => {
        if (n++ === 0) throw new Error('no /proc')
        return FAMILIES
      },
      showMetrics: () => true,
    })
    await run.pass(4500, 100)
    expect(
      run.log.some((line) => line.includes('cannot collect the metrics') && line.includes('no /proc')),
    ).toBe(true)
    expect(n).toBe(2)
    await run.stop()
  })
})
