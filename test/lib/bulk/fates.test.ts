import { expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { OutputContext } from '../../../src/core/plugin.ts'
import { BulkApi } from '../../../src/lib/bulk/api.ts'
import { BULK_OPTIONS, type BulkOptions } from '../../../src/lib/bulk/options.ts'
import { HttpOutput } from '../../../src/lib/http-output/http-output.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { type ScriptedAnswer, ScriptedServer } from '../../support/http-output/scripted-server.ts'
import { fc } from '../../support/property.ts'

interface Operation {
  id: string | undefined
  record: { n: number; kind: string }
}

/** Reads the operations of a bulk request. */
function operationsOf(body: Buffer): Operation[] {
  const lines = body.toString().split('\n')
  expect(lines.pop()).toBe('')
  const operations: Operation[] = []
  for (let i = 0; i < lines.length; i += 2) {
    const action = JSON.parse(lines[i] as string) as { create: { _id?: string } }
    operations.push({ id: action.create._id, record: JSON.parse(lines[i + 1] as string) })
  }
  return operations
}

const ERRORS: Record<number, { type: string; reason: string }> = {
  400: { type: 'mapper_parsing_exception', reason: 'failed to parse field [n]' },
  403: { type: 'cluster_block_exception', reason: 'index read-only' },
  404: { type: 'index_not_found_exception', reason: 'no such index [x]' },
  409: { type: 'version_conflict_engine_exception', reason: 'document already exists' },
  429: { type: 'es_rejected_execution_exception', reason: 'rejected execution' },
  503: { type: 'unavailable_shards_exception', reason: 'primary shard is not active' },
}

/** A store whose faults are numbers from a case, used up one after the other. */
class FaultyStore {
  readonly documents = new Map<string, number>()
  readonly #faults: number[]

  constructor(faults: number[]) {
    this.#faults = [...faults]
  }

  get faultsLeft(): number {
    return this.#faults.length
  }

  answer(body: Buffer): ScriptedAnswer | undefined {
    const operations = operationsOf(body)
    const fault = this.#next() % 14
    if (fault === 1) return undefined
    if (fault === 2) return { status: 503, headers: { 'retry-after': '3' }, body: 'later' }
    if (fault === 3) return { status: 401, body: 'who are you' }
    if (fault === 4) return { status: 200, body: '<html><head><title>Portal</title></head></html>' }
    // More than a record has.
    if (fault === 5 && body.length > 400) return { status: 413, body: 'too large' }
    if (operations.some(({ record }) => record.kind === 'poison'))
      return { status: 400, body: '{"error":{"type":"parse_exception","reason":"poison"},"status":400}' }
    const items = operations.map((operation) => this.#write(operation, fault >= 9))
    const hasErrors = items.some(({ create: { status } }) => status >= 300)
    const answer = JSON.stringify(
      fault === 6 ? { items, errors: hasErrors } : { took: 1, errors: hasErrors, items },
    )
    if (fault === 7) return { status: 200, body: answer, cutAt: Math.floor(answer.length / 2) }
    if (fault === 8) return { status: 200, body: answer.slice(0, -3) }
    return { status: 200, body: answer }
  }

  #write({ id, record }: Operation, isFaulty: boolean): { create: { status: number; error?: object } } {
    const status = this.#statusOf(id, record, isFaulty)
    if (status === 201) this.documents.set(`${record.n}`, (this.documents.get(`${record.n}`) ?? 0) + 1)
    if (status === 201 && id !== undefined) this.#ids.add(id)
    return { create: { status, ...(ERRORS[status] === undefined ? {} : { error: ERRORS[status] }) } }
  }

  readonly #ids = new Set<string>()

  #statusOf(id: string | undefined, { kind }: { kind: string }, isFaulty: boolean): number {
    if (id !== undefined && this.#ids.has(id)) return 409
    const fault = isFaulty ? this.#next() % 8 : 0
    if (fault === 1) return 429
    if (fault === 2) return 503
    if (fault === 3) return 404
    if (fault === 4) return 403
    return kind === 'unmappable' ? 400 : 201
  }

  #next(): number {
    return this.#faults.shift() ?? 0
  }
}

function outputTo(server: ScriptedServer, options: BulkOptions, ctx: OutputContext): HttpOutput {
  const api = new BulkApi(options, server.origin, ctx)
  return new HttpOutput({ api, connections: server, headers: {} }, ctx)
}

const kind = fc.oneof(
  { weight: 12, arbitrary: fc.constant('good') },
  { weight: 1, arbitrary: fc.constant('unmappable') },
  { weight: 1, arbitrary: fc.constant('poison') },
)
const chunks = fc.array(
  fc.record({ tag: fc.constantFrom('a', 'b', 'c'), kinds: fc.array(kind, { minLength: 1, maxLength: 30 }) }),
  { minLength: 1, maxLength: 12 },
)
const faults = fc.array(fc.nat(1000), { maxLength: 150 })

test('whatever a store answers, each record has one fate: it is there once, or rejected once with the reason', async () => {
  await fc.assert(
    fc.asyncProperty(chunks, faults, async (plan, random) => {
      const store = new FaultyStore(random)
      const server = new ScriptedServer(({ body }) => store.answer(body))
      const bench = new OutputBench((ctx) => outputTo(server, parseOptions(BULK_OPTIONS, {}), ctx))
      let n = 0
      const expected = new Map<number, string>()
      const push = (kinds: string[], tag: string): void => {
        const records = kinds.map((each) => {
          expected.set(++n, each)
          return { n, kind: each }
        })
        bench.push(records, tag)
      }
      for (const { tag, kinds } of plan) push(kinds, tag)
      // Another record shows that requests are in order; without it, a single one that is refused waits.
      for (let i = 0; i < 20 && !(await bench.drained(40)); i++) push(['good'], `witness-${i}`)
      expect(await bench.drained()).toBe(true)
      const good = [...expected].filter(([, each]) => each === 'good').map(([each]) => each)
      const bad = [...expected].filter(([, each]) => each !== 'good').map(([each]) => each)
      const written = [...store.documents].map(([key]) => Number(key)).sort((a, b) => a - b)
      expect(written).toEqual(good)
      expect([...store.documents.values()].filter((count) => count !== 1)).toEqual([])
      const rejected = bench.rejected.map(({ record }) => record.n as number).sort((a, b) => a - b)
      expect(rejected).toEqual(bad)
      for (const { record, reason } of bench.rejected)
        expect(reason).toContain(record.kind === 'poison' ? 'poison' : 'mapper_parsing_exception')
      for (const [, outcomes] of bench.outcomes) expect(outcomes.length).toBe(1)
      // Nothing is kept of what is settled.
      expect(bench.buffers.out.size).toBe(0)
    }),
    { numRuns: 150 },
  )
})
