import { messageOf } from '../../core/error.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineInput, type Input, type InputContext } from '../../core/plugin.ts'
import { sleep } from '../../lib/async/sleep.ts'

const OPTIONS = defineOptions({
  scrape_interval: { type: 'time', default: '2', min: 100, help: 'Time between two looks at the metrics.' },
  scrape_on_start: {
    type: 'bool',
    default: 'false',
    help: 'Show the metrics at the start, too, and not only after the first interval.',
  },
})

const LONGEST_SLEEP_MS = 3_600_000

/** Shows the metrics of the agent to the outputs that print them. */
class MetricsInput implements Input {
  readonly #options: OptionsOf<typeof OPTIONS>
  readonly #ctx: InputContext

  constructor(options: OptionsOf<typeof OPTIONS>, ctx: InputContext) {
    this.#options = options
    this.#ctx = ctx
  }

  async run(signal: AbortSignal): Promise<void> {
    const { scrapeInterval, scrapeOnStart } = this.#options
    const { clock } = this.#ctx
    let nextMs = clock.nowMs() + (scrapeOnStart ? 0 : scrapeInterval)
    while (!signal.aborted) {
      await sleep(Math.max(0, nextMs - clock.nowMs()), clock, signal)
      if (signal.aborted) return
      nextMs = Math.max(nextMs + scrapeInterval, clock.nowMs())
      if (!(await this.#tryShow())) break
    }
    while (!signal.aborted) await sleep(LONGEST_SLEEP_MS, clock, signal)
  }

  async close(): Promise<void> {}

  /** Shows the metrics; returns false when there is no output for them, and there will be none. */
  async #tryShow(): Promise<boolean> {
    const { agentMetrics, showMetrics, counters, log, tag } = this.#ctx
    counters.add('metrics_scrapes')
    try {
      const families = (await agentMetrics?.()) ?? []
      if (showMetrics?.(tag, () => families)) return true
      log.warn(`no output prints the metrics: none that can do so gets the tag ${tag}`, {
        hint: 'the output stdout prints metrics; the records of other outputs are logs, and HTTP_Server in [SERVICE] shows the metrics to Prometheus',
      })
      return false
    } catch (error) {
      log.warn(`cannot collect the metrics, skipping this interval: ${messageOf(error)}`)
      return true
    }
  }
}

export const spec = defineInput({
  kind: 'input',
  name: 'fluentbit_metrics',
  summary: 'Shows the metrics of the agent.',
  description:
    'They are those of `/api/v2/metrics` of the HTTP server, with the names that fluent-bit has. They are no records: the output ' +
    '`stdout` prints them as lines of text, and all other outputs and the filters get nothing, as this agent sends logs only. ' +
    'fluent-bit sends metrics with `forward`, `opentelemetry` and `prometheus_remote_write` too; here HTTP_Server in [SERVICE] ' +
    'shows them to Prometheus.',
  options: OPTIONS,
  makesMetrics: true,
  counters: { metrics_scrapes: 'times that the metrics of the agent were shown' },
  example:
    '[INPUT]\n    Name            fluentbit_metrics\n    Tag             agent.metrics\n    Scrape_Interval 10\n',
  preview: async ({ scrapeInterval }) => ({
    source: `the metrics of the agent every ${scrapeInterval / 1000} s`,
    sources: [],
    more: 0,
    tags: [],
    notes: ['they are no records: only outputs that print metrics show them'],
  }),
  create: (options, ctx) => new MetricsInput(options, ctx),
})
