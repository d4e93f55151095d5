import { expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { BulkApi } from '../../../src/lib/bulk/api.ts'
import { BULK_OPTIONS } from '../../../src/lib/bulk/options.ts'
import { HttpOutput } from '../../../src/lib/http-output/http-output.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { ScriptedServer } from '../../support/http-output/scripted-server.ts'

/** A server that has no index `missing`. */
function start(index: string) {
  const written: number[] = []
  const server = new ScriptedServer(({ body }) => {
    const lines = body.toString().split('\n')
    const items = lines.slice(0, -1).flatMap((line, i) => {
      if (i % 2 === 1) return []
      const { create } = JSON.parse(line) as { create: { _index: string } }
      if (create._index === 'missing')
        return [
          { create: { status: 404, error: { type: 'index_not_found_exception', reason: 'no such index' } } },
        ]
      written.push((JSON.parse(lines[i + 1] as string) as { n: number }).n)
      return [{ create: { status: 201 } }]
    })
    const errors = items.some(({ create: { status } }) => status !== 201)
    return { status: 200, body: JSON.stringify({ errors, items }) }
  })
  let isOverdue = false
  const bench = new OutputBench((ctx) => {
    const own = { ...ctx, isOverdue: () => isOverdue }
    const api = new BulkApi(parseOptions(BULK_OPTIONS, { index }), server.origin, own)
    return new HttpOutput({ api, connections: server, headers: {} }, own)
  })
  return { bench, written, setOverdue: () => (isOverdue = true) }
}

test('a record that names an index which refuses it is given up after Dead_Letter_After, alone', async () => {
  const { bench, written, setOverdue } = start('$app')
  bench.push([
    { n: 0, app: 'a' },
    { n: 1, app: 'missing' },
    { n: 2, app: 'a' },
  ])
  expect(await bench.drained(60)).toBe(false)
  expect(written).toEqual([0, 2])
  expect(bench.rejected).toEqual([])
  setOverdue()
  expect(await bench.drained(20)).toBe(true)
  expect(bench.rejected.map(({ record }) => record.n)).toEqual([1])
  expect(bench.rejected[0]?.reason).toContain('index_not_found_exception: no such index')
  expect(written).toEqual([0, 2])
})

test('an index that the configuration names is waited for, however long', async () => {
  const { bench, setOverdue } = start('missing')
  setOverdue()
  bench.push([{ n: 0 }])
  expect(await bench.drained(60)).toBe(false)
  expect(bench.rejected).toEqual([])
})
