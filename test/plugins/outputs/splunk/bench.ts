import { parseOptions } from '../../../../src/core/options/parse.ts'
import { createSplunk } from '../../../../src/plugins/outputs/splunk/create.ts'
import { SPLUNK_OPTIONS } from '../../../../src/plugins/outputs/splunk/options.ts'
import type { PlanInit } from '../../../support/doubles/plan.ts'
import { type Acks, SplunkApi } from '../../../support/doubles/splunk.ts'
import { OutputBench } from '../../../support/http-output/output-bench.ts'
import { ScriptedStore } from '../../../support/http-output/scripted-store.ts'

/** The output splunk with a collector that has faults. */
export class SplunkBench extends OutputBench {
  readonly store: ScriptedStore<SplunkApi>

  constructor(acks: Acks, texts: Record<string, string> = {}, plan: PlanInit = {}) {
    const store = new ScriptedStore(new SplunkApi(acks), plan)
    const options = parseOptions(SPLUNK_OPTIONS, { splunk_token: 'secret-token', ...texts })
    super((ctx) => createSplunk(options, store.server, ctx), { inFlight: 256 })
    this.store = store
  }

  /** Channels of the requests with events, in their order; undefined for one without. */
  get channels(): (string | undefined)[] {
    return this.store.server.seen
      .filter(({ path }) => path.startsWith('/services/collector/event'))
      .map(({ headers }) => headers['x-splunk-request-channel'])
  }

  /** Number of questions for acknowledgements. */
  get questions(): number {
    return this.store.server.seen.filter(({ path }) => path.includes('/ack?')).length
  }

  outcomesOf(id: string): string[] {
    return this.outcomes.get(id) ?? []
  }

  /** Lets so many seconds pass. */
  async seconds(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.turns(20)
      this.clock.advance(1000)
    }
    await this.turns(20)
  }

  /** Lines of the log but for those of debug, with their fields. */
  get text(): string {
    const { lines, fields } = this.logged
    return lines
      .map((line, i) => `${line} ${JSON.stringify(fields[i] ?? {})}`)
      .filter((line) => !line.startsWith('debug'))
      .join('\n')
  }
}
