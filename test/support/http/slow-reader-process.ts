/** Sends 64 MB to a server that reads nothing: `bun slow-reader-process.ts PORT`; prints by how many MB the process grows. */
import { HttpClient } from '../../../src/lib/http/client.ts'

const MB = 1 << 20
const SAMPLES = 20
const client = new HttpClient({ origin: `http://127.0.0.1:${process.argv[2]}` })
const stop = new AbortController()
const body = Buffer.alloc(64 * MB, 'x')
const limits = { headTimeoutMs: 600_000, bodyTimeoutMs: 600_000, headers: {} }
// What is loaded and compiled for the first request is not what is measured.
await client.send({ ...limits, path: '/first', signal: stop.signal }).then((response) => response.discard())
const beforeBytes = process.memoryUsage.rss()
const sent = client.send({ ...limits, method: 'POST', path: '/', body, signal: stop.signal }).catch(() => {})
let mostBytes = 0
for (let n = 0; n < SAMPLES; n++) {
  await new Promise((resolve) => setTimeout(resolve, 50))
  mostBytes = Math.max(mostBytes, process.memoryUsage.rss())
}
stop.abort()
await sent
await client.close()
process.stdout.write(`${Math.round((mostBytes - beforeBytes) / MB)}\n`)
