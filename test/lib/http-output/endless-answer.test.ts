import { expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import type { OutputContext } from '../../../src/core/plugin.ts'
import { BulkApi } from '../../../src/lib/bulk/api.ts'
import { BULK_OPTIONS } from '../../../src/lib/bulk/options.ts'
import type { Api } from '../../../src/lib/http-output/api.ts'
import { HttpConnections } from '../../../src/lib/http-output/connect.ts'
import { HttpOutput } from '../../../src/lib/http-output/http-output.ts'
import { HttpApi } from '../../../src/plugins/outputs/http/api.ts'
import { HTTP_OPTIONS } from '../../../src/plugins/outputs/http/options.ts'
import { type RawPeer, RawServer } from '../../support/http/raw-server.ts'
import { OutputBench } from '../../support/http-output/output-bench.ts'
import { atEnd } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const CHUNKED = 'X\r\nTransfer-Encoding: chunked\r\n\r\n'

/** Sends a record to a server that answers every request with a status and then blanks, one by one or many at once, without end. */
async function sendTo(status: number, blanks: number, apiOf: (ctx: OutputContext) => Api) {
  let open = 0
  const server = await RawServer.start(async (peer: RawPeer) => {
    await peer.request()
    open++
    peer.send(`HTTP/1.1 ${status} ${CHUNKED}`)
    const piece = `${blanks.toString(16)}\r\n${' '.repeat(blanks)}\r\n`
    const timer = setInterval(() => peer.send(piece), 5)
    await new Promise((resolve) => peer.socket.on('close', resolve))
    clearInterval(timer)
    open--
  })
  atEnd(() => server.close())
  const options = parseOptions(HTTP_OPTIONS, {
    host: '127.0.0.1',
    port: String(server.port),
    'http.response_timeout': '1s',
  } as never)
  const bench = new OutputBench(
    (ctx) =>
      new HttpOutput({ api: apiOf(ctx), connections: new HttpConnections(options, ctx), headers: {} }, ctx),
  )
  await bench.output.start?.()
  bench.push([{ n: 1 }])
  atEnd(() => bench.output.close?.())
  return { bench, isClosed: () => open === 0 }
}

const bulk = (ctx: OutputContext): Api => new BulkApi(parseOptions(BULK_OPTIONS, {}), 'http://x', ctx)
const http = (ctx: OutputContext): Api => new HttpApi(parseOptions(HTTP_OPTIONS, {}), ctx)

test('an answer that does not end within the time of a response fails the request, and that is logged', async () => {
  const { bench, isClosed } = await sendTo(200, 1, bulk)
  await until(() => bench.logged.lines.join('\n').includes('has not ended within 1000 ms'))
  await until(isClosed)
  expect([...bench.outcomes.values()]).toEqual([[]])
})

test('an answer of blanks without end is not read further than an answer can be', async () => {
  const { bench } = await sendTo(200, 500_000, bulk)
  await until(() => /larger than \d+ bytes|has not ended/.test(bench.logged.lines.join('\n')))
  expect([...bench.outcomes.values()]).toEqual([[]])
})

test('the text of an error is not waited for without end: the status says what has to be known', async () => {
  const { bench, isClosed } = await sendTo(503, 1, http)
  await until(() => bench.logged.lines.join('\n').includes('the server has failed: 503'))
  await until(isClosed)
})

test('a status that delivers does so although the answer does not end, and that is logged', async () => {
  const { bench, isClosed } = await sendTo(200, 1, http)
  await until(() => [...bench.outcomes.values()].flat().includes('delivered'))
  expect(bench.logged.lines.join('\n')).toContain('the answers do not end')
  await until(isClosed)
})
