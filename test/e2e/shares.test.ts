import { expect, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encode } from '@msgpack/msgpack'
import { Client } from '../support/forward/input-run.ts'
import { section } from '../support/kafka/agent.ts'
import { freePorts } from '../support/ports.ts'
import { start } from '../support/process.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const message = (tag: string, bytes: number): Uint8Array =>
  encode([tag, [[1000, { log: 'x'.repeat(bytes) }]], { chunk: tag }])

test.each([
  [8, 300, 100],
  [30, 100, 30_000],
  [200, 1, 20_000],
])(
  'a connection with a new tag is served while %i others send %i new tags each, of %i bytes, that are refused',
  async (connections, tags, bytes) => {
    const dir = tmp()
    const [port = 0] = await freePorts(1)
    mkdirSync(join(dir, 'out'))
    const conf = join(dir, 'agent.conf')
    const text = [
      section('SERVICE', { flush: 0.1, grace: 1 }),
      section('INPUT', { name: 'forward', listen: '127.0.0.1', port, mem_buf_limit: '2M' }),
      section('OUTPUT', {
        name: 'file',
        match: '*',
        path: join(dir, 'out'),
        mkdir: 'on',
        dead_letter_after: 3600,
        dead_letter_file: join(dir, 'dead-letters.x.jsonl'),
      }),
    ]
    writeFileSync(conf, text.join('\n'))
    const agent = start(['-c', conf])
    await agent.waitForStderr('listening on')
    // The folder of the other tags is a file.
    const first = new Client(port)
    first.send(message('rec', 100))
    await until(() => first.acks.length === 1)
    const bad = Array.from({ length: connections }, () => new Client(port))
    for (const [i, client] of bad.entries())
      for (let n = 0; n < tags; n++) client.send(message(`rec/${i}-${n}`, bytes))
    for (let n = 0; n < 5; n++) {
      const good = new Client(port)
      good.send(message(`good ${n}`, 100))
      await until(() => good.acks.length === 1)
      good.socket.destroy()
    }
    expect(bad.flatMap(({ acks }) => acks)).toEqual([])
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
  },
)
