import { expect, test } from 'bun:test'
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { freePorts } from '../support/ports.ts'
import { start } from '../support/process.ts'
import { atEnd, tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const CLIENTS = 32
const REQUESTS = 2000
const MAX_GROWTH_KB = 80_000
const HIGH_WATER = /^VmHWM:\s+(\d+) kB$/m

const peakKb = (pid: number): number =>
  Number(HIGH_WATER.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0)

function client(port: number, text: string): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.pause()
      socket.write(text)
      resolve(socket)
    })
    socket.on('error', () => {})
    atEnd(() => void socket.destroy())
  })
}

test('32 clients that send 2,000 requests each and read nothing cost little memory and hold up no line', async () => {
  const dir = tmp()
  for (let i = 0; i < 100; i++) writeFileSync(join(dir, `${i}.log`), 'x\n')
  const [port = 0] = await freePorts(1)
  const tail = ['-i', 'tail', '-p', `path=${dir}/*.log`, '-p', 'read_from_head=on', '-f', '0.05']
  const file = ['-o', 'file', '-p', `path=${dir}`, '-p', 'file=out']
  const agent = start(['-H', '-P', String(port), ...tail, ...file])
  const out = join(dir, 'out')
  const lines = (): number => (existsSync(out) ? readFileSync(out, 'utf8').split('\n').length - 1 : 0)
  await until(() => lines() === 100, { what: () => agent.stderr })
  const before = peakKb(agent.pid)
  const request = 'GET /api/v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, () => client(port, request.repeat(REQUESTS))),
  )
  for (let i = 1; i <= 5; i++) {
    appendFileSync(join(dir, '0.log'), 'y\n')
    await until(() => lines() === 100 + i, { what: () => agent.stderr })
  }
  // A client that reads is served in spite of them.
  const live = async () =>
    (await fetch(`http://127.0.0.1:${port}/live`).catch(() => undefined))?.status === 200
  await until(live, { everyMs: 100, what: () => agent.stderr })
  expect(peakKb(agent.pid) - before).toBeLessThan(MAX_GROWTH_KB)
  for (const socket of clients) socket.destroy()
  expect((await agent.stop()).code).toBe(0)
})
