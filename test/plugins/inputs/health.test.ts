import { describe, expect, test } from 'bun:test'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { spec } from '../../../src/plugins/inputs/health.ts'
import { InputRun, type MadeRecord } from '../../support/engine/input-run.ts'
import { atEnd } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

describe('health', () => {
  async function listening(): Promise<{ server: Server; port: string }> {
    const server = createServer((socket) => socket.destroy())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    atEnd(() => void server.close())
    return { server, port: String((server.address() as { port: number }).port) }
  }

  async function next(run: InputRun): Promise<MadeRecord[]> {
    await run.pass(1000, 500)
    let records: MadeRecord[] = []
    await until(() => {
      records = run.takeRecords()
      return records.length > 0
    })
    return records
  }

  test('a record says whether the port is alive, with its host and port', async () => {
    const { server, port } = await listening()
    const run = new InputRun(spec, { port, add_host: 'on', add_port: 'on' })
    const named = { hostname: '127.0.0.1', port: Number(port) }
    expect((await next(run)).map((m) => m.record)).toEqual([{ alive: true, ...named }])
    server.close()
    await once(server, 'close')
    expect((await next(run)).map((m) => m.record)).toEqual([{ alive: false, ...named }])
    await run.stop()
  })

  test('with Alert a record is created only when the port is dead', async () => {
    const { server, port } = await listening()
    let connections = 0
    server.on('connection', () => connections++)
    const run = new InputRun(spec, { port, alert: 'on' })
    await run.pass(1000, 500)
    await until(() => connections === 1)
    server.close()
    await once(server, 'close')
    expect((await next(run)).map((m) => m.record)).toEqual([{ alive: false }])
    await run.stop()
  })

  test('a stop does not wait for a pending connection', async () => {
    const { port } = await listening()
    const run = new InputRun(spec, { port })
    run.bench.clock.advance(1000)
    await Promise.resolve()
    await run.stop()
    expect(run.bench.clock.waiting).toBe(0)
  })
})
