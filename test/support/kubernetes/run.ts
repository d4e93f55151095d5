import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { Parser } from '../../../src/core/parser.ts'
import type { Filter } from '../../../src/core/plugin.ts'
import type { Clock } from '../../../src/core/services.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { spec } from '../../../src/plugins/filters/kubernetes/index.ts'
import { chunkOf, LooseBuffers, recordsOf } from '../engine/chunk-of.ts'
import { listLog } from '../engine/chunks.ts'
import { LaterList } from '../later.ts'
import { atEnd, tmp } from '../tmp.ts'
import { until } from '../until.ts'
import type { KubeApi } from './api-server.ts'
import { NODE } from './pods.ts'

export interface KubeRunOptions {
  texts?: Record<string, string>
  parsers?: Record<string, () => Parser>
  stateFolder?: string
  clock?: Clock
}

/** The filter alone, with a test's API server. Closed at the end of the test. */
export class KubeRun {
  readonly counters = new CounterMap()
  readonly logged = listLog()
  readonly filter: Filter
  readonly tokenFile: string
  #closed = false

  constructor(api: KubeApi | undefined, runOptions: KubeRunOptions = {}) {
    const dir = tmp()
    this.tokenFile = join(dir, 'token')
    const caFile = join(dir, 'ca.crt')
    if (api?.authority !== undefined) writeFileSync(caFile, api.authority.cert)
    const options = parseOptions(spec.options, {
      kube_url: api?.url ?? 'http://127.0.0.1:1',
      kube_ca_file: caFile,
      kube_token_file: this.tokenFile,
      kube_node_name: NODE,
      ...runOptions.texts,
    })
    this.filter = spec.create(options, {
      name: 'kubernetes.0',
      log: this.logged.log,
      counters: this.counters,
      clock: runOptions.clock ?? systemClock,
      agent: { version: '1.2.3', id: 'id', hostname: 'leaf' },
      buffers: new LooseBuffers(),
      multiline: () => undefined,
      multilineBytes: 2_000_000,
      reject: () => {
        throw new Error('the filter rejects a record')
      },
      emit: () => {
        throw new Error('the filter defers no records')
      },
      reroute: () => {
        throw new Error('the filter gives records no other tag')
      },
      parser: (name) => {
        const make = runOptions.parsers?.[name]
        if (make === undefined) throw new Error(`no parser ${name}`)
        return make()
      },
      stateFolder: runOptions.stateFolder,
    })
    atEnd(() => this.close())
  }

  async start(): Promise<this> {
    await this.filter.start?.()
    return this
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.filter.close?.()
  }

  /** Returns the records after the filter. */
  through(tag: string, records: object[]): Record<string, unknown>[] {
    const chunk = chunkOf(records, tag)
    this.filter.apply(chunk, new LaterList())
    return recordsOf(chunk)
  }

  /** Returns the metadata that a record of this log gets now. */
  metadata(log: string): Record<string, unknown> {
    const [record] = this.through(`kube.var.log.containers.${log}`, [{ log: 'x' }])
    return (record?.kubernetes ?? {}) as Record<string, unknown>
  }

  /** Resolves with the metadata of this log once it is complete. */
  known(log: string): Promise<Record<string, unknown>> {
    return until(
      () => {
        const found = this.metadata(log)
        return found.incomplete === true ? undefined : found
      },
      { what: () => `metadata of ${log}; log:\n${this.logged.lines.join('\n')}` },
    )
  }

  /** Calls `ready` as a tail input does until lines may be read; resolves with the time it took in milliseconds. */
  async ready(log: string, path = `/var/log/containers/${log}`): Promise<number> {
    const began = performance.now()
    for (;;) {
      const wait = this.filter.ready?.(`kube.var.log.containers.${log}`, path)
      if (wait === undefined) return performance.now() - began
      await wait
    }
  }
}
