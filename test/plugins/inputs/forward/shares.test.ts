import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { Client, type ForwardRun, forwardIn } from '../../../support/forward/input-run.ts'
import { until } from '../../../support/until.ts'

const LIMIT = 2_000_000

/** A message with an acknowledgement whose chunk id is its tag and number. */
function message(tag: string, bytes: number, number = 0): Buffer {
  return Buffer.from(encode([tag, 1000, { text: 'x'.repeat(bytes) }, { chunk: `${tag} ${number}` }]))
}

/** Sends messages of a tag one after another, as soon as the connection takes them. */
function sendMany(client: Client, tag: string, bytes: number, count: number): void {
  for (let i = 0; i < count; i++) client.send(message(tag, bytes, i))
}

function usedBytes(run: ForwardRun): number {
  return run.assembly.snapshot().inputs[0]?.memory ?? 0
}

const start = (): Promise<ForwardRun> =>
  forwardIn({}, { common: { mem_buf_limit: String(LIMIT) }, service: { memory_limit: '64M' } })

describe('tags that can never be delivered do not stop another tag', () => {
  test('of the same connection: 600 of them', async () => {
    const run = await start()
    const [output] = run.outputs
    if (output !== undefined) output.refused = /^rec/
    const client = new Client(run.port)
    for (let i = 0; i < 600; i++) client.send(message(`rec/${i}`, 100))
    client.send(message('good', 100))
    await until(() => client.acks.includes('good 0'))
    expect(client.acks).toEqual(['good 0'])
  })

  test('of another connection, however much they hold', async () => {
    const run = await start()
    const [output] = run.outputs
    if (output !== undefined) output.refused = /^rec/
    const [hostile, quiet] = [new Client(run.port), new Client(run.port)]
    quiet.send(message('good', 100, 0))
    await until(() => quiet.acks.length === 1)
    for (let i = 0; i < 600; i++) hostile.send(message(`rec/${i}`, 10_000))
    await until(() => usedBytes(run) > LIMIT / 2)
    for (let i = 1; i <= 20; i++) {
      quiet.send(message('good', 10_000, i), message(`new ${i}`, 100))
      await until(() => quiet.acks.length === 1 + 2 * i)
    }
    // Its receive buffer counts, too.
    expect(usedBytes(run)).toBeLessThan(LIMIT * 1.5)
  })

  test('that was delivered before, when each of them comes over a connection of its own', async () => {
    const run = await start()
    const [output] = run.outputs
    if (output !== undefined) output.refused = /^rec/
    const quiet = new Client(run.port)
    quiet.send(message('good', 100, 0))
    await until(() => quiet.acks.length === 1)
    for (let i = 0; i < 200; i++) new Client(run.port).send(message(`rec/${i}`, 15_000))
    await until(() => usedBytes(run) > LIMIT * 0.7)
    for (let i = 1; i <= 20; i++) {
      quiet.send(message('good', 10_000, i))
      await until(() => quiet.acks.length === 1 + i)
    }
  })

  test('and are read again when they can be delivered', async () => {
    const run = await start()
    const [output] = run.outputs
    if (output !== undefined) output.refused = /^rec/
    const client = new Client(run.port)
    for (let i = 0; i < 300; i++) client.send(message(`rec/${i}`, 10_000))
    await until(() => usedBytes(run) > LIMIT / 2)
    if (output !== undefined) output.refused = undefined
    await until(() => client.acks.length === 300)
  })
})

test('a message of a quiet connection waits for at most 2.5 MB of a noisy one while nothing is acknowledged', async () => {
  const run = await forwardIn({}, { common: { mem_buf_limit: '50M' }, service: { memory_limit: '128M' } })
  const [output] = run.outputs
  if (output === undefined) return
  output.blocked = true
  const [noisy, quiet] = [new Client(run.port), new Client(run.port)]
  sendMany(noisy, 'app', 50_000, 400)
  // The window is full when the connection is not read any more.
  await until(() => noisy.socket.writableLength > 0 && usedBytes(run) > 900_000)
  let before = -1
  while (before !== usedBytes(run)) {
    before = usedBytes(run)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  quiet.send(message('app', 100))
  await until(() => usedBytes(run) > before)
  output.open()
  await until(() => quiet.acks.length === 1)
  // The quiet message may share its chunk with noisy ones, which all have the same size.
  const noisyBytes = output.chunks[0]?.bytes.length ?? 0
  const at = output.chunks.findIndex(({ bytes }) => bytes.length % noisyBytes !== 0)
  expect(at).toBeGreaterThan(0)
  const ahead = output.chunks.slice(0, at).reduce((sum, { bytes }) => sum + bytes.length, 0)
  expect(ahead).toBeLessThan(2_500_000)
  await until(() => noisy.acks.length === 400)
})
