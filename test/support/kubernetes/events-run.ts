import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Running, start } from '../process.ts'
import { tmp } from '../tmp.ts'
import { until } from '../until.ts'

interface EventRecord {
  count?: number
  metadata: { name: string; resourceVersion: string }
  [key: string]: unknown
}

/** The agent with the input kubernetes_events and a database, restarted as often as a test wants. */
export class EventsRun {
  readonly dir = tmp()
  readonly #processes: Running[] = []
  readonly #conf: string

  constructor(api: { url: string; authority?: { cert: string } }, token = 'none') {
    this.#conf = join(this.dir, 'agent.conf')
    writeFileSync(join(this.dir, 'ca.crt'), api.authority?.cert ?? '')
    writeFileSync(join(this.dir, 'token'), token)
    const text = `[SERVICE]
    Flush 0.05
[INPUT]
    Name kubernetes_events
    Tag events
    Kube_URL ${api.url}
    Kube_CA_File ${join(this.dir, 'ca.crt')}
    Kube_Token_File ${join(this.dir, 'token')}
    DB ${join(this.dir, 'pos.db')}
[OUTPUT]
    Name stdout
    Match *
    Format json_lines
`
    writeFileSync(this.#conf, text)
  }

  start(): Running {
    const process = start(['-c', this.#conf])
    this.#processes.push(process)
    return process
  }

  /** Records of all runs, in order. */
  get records(): EventRecord[] {
    return this.#processes.flatMap(({ stdout }) =>
      stdout
        .slice(0, stdout.lastIndexOf('\n') + 1)
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as EventRecord),
    )
  }

  get versions(): string[] {
    return this.records.map(({ metadata }) => metadata.resourceVersion)
  }

  /** Waits until records of so many different events, or of changes of them, have come. */
  async waitFor(count: number): Promise<EventRecord[]> {
    await until(() => new Set(this.versions).size >= count, {
      what: () => `${count} records, have ${new Set(this.versions).size}: ${this.#processes.at(-1)?.stderr}`,
    })
    return this.records
  }
}
