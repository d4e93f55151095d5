import { describe, expect, test } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { EventTime, FluentClient } from '@fluent-org/logger'
import { ExtData, encode } from '@msgpack/msgpack'
import { ShipperError } from '../../../../src/core/error.ts'
import { findOption } from '../../../../src/core/options/parse.ts'
import { systemClock } from '../../../../src/engine/clock.ts'
import { isPaused } from '../../../../src/engine/stages.ts'
import { spec } from '../../../../src/plugins/inputs/forward/index.ts'
import { turn } from '../../../support/engine/chunks.ts'
import { Client, type ForwardRun, forwardIn } from '../../../support/forward/input-run.ts'
import { entriesChunk, forwardTo } from '../../../support/forward/output-run.ts'
import { start } from '../../../support/process.ts'
import { atEnd, tmp } from '../../../support/tmp.ts'
import { until, untilReaches, within } from '../../../support/until.ts'

const bytesOf = (value: unknown): Buffer => Buffer.from(encode(value) as Uint8Array)
const at = (sec: number): ExtData => {
  const data = Buffer.alloc(8)
  data.writeUInt32BE(sec, 0)
  return new ExtData(0, data)
}
const entries = (from: number, to: number, text = ''): Buffer[] =>
  Array.from({ length: to - from }, (_, i) => bytesOf([at(1000), { n: from + i, text }]))

function numbersOf({ outputs }: ForwardRun, i = 0): number[] {
  return outputs[i]?.records.map(({ record }) => (record as { n: number }).n) ?? []
}

const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

describe('a message', () => {
  test('in any mode is passed on with its tag, its time and its bytes', async () => {
    const run = await forwardIn()
    const packed = Buffer.concat(entries(4, 6))
    const members = Buffer.concat([
      gzipSync(entries(6, 7)[0] as Buffer),
      gzipSync(entries(7, 8)[0] as Buffer),
    ])
    const client = new Client(run.port)
    client.send(
      bytesOf(['a.message', 1000, { n: 0 }]),
      bytesOf(['b.message', at(1000), { n: 1 }, { chunk: 'm' }]),
      bytesOf([
        'forward',
        [
          [at(1000), { n: 2 }],
          [1000, { n: 3 }],
        ],
        { chunk: 'f' },
      ]),
      bytesOf(['packed', packed, { chunk: 'p', size: 2 }]),
      bytesOf(['gzip', members, { chunk: 'g', compressed: 'gzip' }]),
      bytesOf(['zstd', zstdCompressSync(entries(8, 9)[0] as Buffer), { chunk: 'z', compressed: 'zstd' }]),
    )
    await until(() => client.acks.length === 5)
    expect(client.acks.toSorted()).toEqual(['f', 'g', 'm', 'p', 'z'])
    run.assembly.inputs[0]?.stage.sealAll()
    await until(() => numbersOf(run).length === 9)
    const got = run.outputs[0]?.records.map(({ tag, time, record }) => [tag, time, record]) ?? []
    const form = (tag: string, n: number, record: object = { n, text: '' }) => [tag, at(1000), record]
    expect(got.toSorted(([, , a], [, , b]) => (a as { n: number }).n - (b as { n: number }).n)).toEqual([
      form('a.message', 0, { n: 0 }),
      form('b.message', 1, { n: 1 }),
      form('forward', 2, { n: 2 }),
      form('forward', 3, { n: 3 }),
      form('packed', 4),
      form('packed', 5),
      form('gzip', 6),
      form('gzip', 7),
      form('zstd', 8),
    ])
    expect(run.outputs[0]?.chunks.find(({ tag }) => tag === 'packed')?.bytes).toEqual(packed)
  })

  test('Tag replaces the tag of the message, and Tag_Prefix is prepended to it', async () => {
    const named = await forwardIn({ tag_prefix: 'x.' }, { common: { tag: 'mine' } })
    const prefixed = await forwardIn({ tag_prefix: 'x.' })
    for (const run of [named, prefixed]) {
      const client = new Client(run.port)
      client.send(bytesOf(['t', 1000, {}, { chunk: 'c' }]))
      await until(() => client.acks.length === 1)
    }
    expect(named.outputs[0]?.records[0]?.tag).toBe('mine')
    expect(prefixed.outputs[0]?.records[0]?.tag).toBe('x.t')
  })

  test('records with odd times are kept and counted, and the message is acknowledged', async () => {
    const run = await forwardIn()
    const client = new Client(run.port)
    const times = [
      at(1000),
      null,
      1_795_896_080_123,
      -5,
      true,
      Number.NaN,
      new ExtData(-1, Buffer.from('6b0b1f50', 'hex')),
    ]
    client.send(bytesOf(['t', times.map((time, n) => [time, { n }]), { chunk: 'c' }]))
    await until(() => client.acks.length === 1)
    expect(numbersOf(run)).toEqual([0, 1, 2, 3, 4, 5, 6])
    const seconds = run.outputs[0]?.records.map(({ time }) =>
      Buffer.from((time as ExtData).data as Uint8Array).readUInt32BE(0),
    ) as number[]
    for (const n of [1, 3, 4, 5])
      expect(Math.abs((seconds[n] as number) - Date.now() / 1000)).toBeLessThan(60)
    expect([seconds[2], seconds[6]]).toEqual([1_795_896_080, 0x6b0b1f50])
    expect(run.counter('odd_times')).toBe(4)
    expect(run.logged.filter((line) => line.includes('the records are kept'))).toHaveLength(1)
  })

  test('what cannot be decoded closes the connection without an acknowledgement', async () => {
    const run = await forwardIn()
    const payloads = [
      [[at(1000), { n: 0 }], 'none'],
      Buffer.concat([bytesOf([at(1000), { n: 1 }]), Buffer.from('\x04\x22\x4d\x18lz4', 'latin1')]),
      Buffer.from('\x04\x22\x4d\x18lz4', 'latin1'),
    ]
    for (const payload of payloads) {
      const client = new Client(run.port)
      client.send(bytesOf(['t', payload, { chunk: 'c', compressed: 'lz4' }]))
      await until(() => client.closed)
      expect(client.acks).toEqual([])
    }
    expect(run.counter('closed_peers')).toBe(3)
  })

  test('CVE-2025-12978: a tag that a filter takes for a pod is refused, unless Tag_Reserved says otherwise', async () => {
    const tag = 'kube.var.log.containers.api_kube-system_c-0.log'
    const run = await forwardIn({}, { identityTags: 'kube.*' })
    const forger = new Client(run.port)
    forger.send(bytesOf([tag, 1000, { n: 0 }, { chunk: 'c' }]))
    await until(() => forger.closed)
    const honest = new Client(run.port)
    honest.send(bytesOf(['kube', 1000, { n: 1 }, { chunk: 'c' }]))
    await until(() => honest.acks.length === 1)
    expect([forger.acks, numbersOf(run), run.counter('reserved_tags')]).toEqual([[], [1], 1])
    expect(run.logged.join()).toContain('Tag_Reserved off accepts them')

    const accepting: [object, object][] = [
      [{ tag_reserved: 'off' }, { identityTags: 'kube.*' }],
      [{ tag_reserved: 'other.*,x*' }, { identityTags: 'kube.*' }],
      [{}, { identityTags: 'kube.*', common: { tag: tag } }],
      [{}, {}],
    ]
    for (const [options, more] of accepting) {
      const other = await forwardIn(options as Record<string, string>, more)
      const client = new Client(other.port)
      client.send(bytesOf([tag, 1000, {}, { chunk: 'c' }]))
      await until(() => client.acks.length === 1)
    }
    const own = await forwardIn({ tag_reserved: 'other.*,x*', tag_prefix: 'other.' })
    const client = new Client(own.port)
    client.send(bytesOf(['t', 1000, {}, { chunk: 'c' }]))
    await until(() => client.closed)
    expect(client.acks).toEqual([])
  })

  test('a peer that sends nothing is told in the log what it may be waiting for', async () => {
    let onQuiet = (): void => {}
    const clock = {
      ...systemClock,
      after: (ms: number, fn: () => void) => {
        if (ms === 5000) onQuiet = fn
        return systemClock.after(ms, fn)
      },
    }
    const run = await forwardIn({}, { clock })
    new Client(run.port)
    await until(() => run.counter('connections') === 1)
    onQuiet()
    expect(run.logged.filter((line) => line.includes('handshake with a shared key'))).toHaveLength(1)
  })

  test('Buffer, Buffer_Size and Chunk_Size of old configurations are read', () => {
    expect(findOption(spec.options, 'Buffer')).toBe('buffer_max_size')
    expect(findOption(spec.options, 'Buffer_Size')).toBe('buffer_max_size')
    expect(findOption(spec.options, 'Chunk_Size')).toBe('buffer_chunk_size')
  })

  test('Listen :: accepts peers of both families', async () => {
    const run = await forwardIn({ listen: '::' })
    const client = new Client(run.port)
    client.send(bytesOf(['t', 5, {}, { chunk: 'c' }]))
    await until(() => client.acks.length === 1)
  })
})

describe('records of a client', () => {
  test('of the forward output arrive with every compression, and its flush resolves with the acknowledgement', async () => {
    const run = await forwardIn()
    for (const compress of ['text', 'gzip', 'zstd']) {
      const { output } = forwardTo(undefined, { port: String(run.port), compress })
      const chunk = entriesChunk(
        compress,
        Array.from({ length: 500 }, (_, i) => `${i}`),
        `tag.${compress}`,
      )
      const bytes = Buffer.from(chunk.entries())
      await output.flush(chunk)
      const got = run.outputs[0]?.chunks.filter(({ tag }) => tag === `tag.${compress}`) ?? []
      expect(Buffer.concat(got.map((c) => c.bytes))).toEqual(bytes)
    }
  })

  test('of a third-party logger arrive and are acknowledged', async () => {
    const run = await forwardIn()
    for (const eventMode of ['Message', 'Forward', 'PackedForward', 'CompressedPackedForward'] as const) {
      const client = new FluentClient(eventMode, {
        socket: { host: '127.0.0.1', port: run.port, timeout: 3000 },
        ack: { ackTimeout: 3000 },
        eventMode,
      })
      await client.connect()
      await Promise.all([1, 2, 3].map((n) => client.emit('label', { n }, new EventTime(1000, 5))))
      await client.disconnect()
    }
    const tags = run.outputs[0]?.records.map(({ tag }) => tag) ?? []
    expect(tags).toHaveLength(12)
    expect(new Set(tags)).toContain('CompressedPackedForward.label')
  })
})

describe('an acknowledgement', () => {
  test('is sent when every output has settled the records, and not before', async () => {
    const run = await forwardIn({}, { outputs: 2 })
    const [one, two] = run.outputs
    if (one === undefined || two === undefined) throw new Error('two outputs')
    one.blocked = two.blocked = true
    const client = new Client(run.port)
    client.send(bytesOf(['t', Buffer.concat(entries(0, 3)), { chunk: 'c' }]))
    await until(() => one.waiting === 1 && two.waiting === 1)
    one.open()
    await until(() => one.records.length === 3)
    expect(client.acks).toEqual([])
    two.open()
    await until(() => client.acks.length === 1)
  })

  test.each([
    ['a dead-letter file, and then', { dead_letter_file: 'LETTERS' }, true],
    ['nowhere, as the configuration says: the connection is closed', { dead_letter_file: 'off' }, false],
    ['nowhere, as no file is configured: the connection is closed', {}, false],
  ])(
    'of records that an output gives up is sent when they are kept in a file (%s)',
    async (_, options, isKept) => {
      const path = join(tmp(), 'letters')
      const outputCommon = {
        retry_limit: 'no_retries',
        ...('dead_letter_file' in options
          ? { dead_letter_file: options.dead_letter_file.replace('LETTERS', path) }
          : {}),
      }
      const run = await forwardIn({}, { outputCommon })
      const { output } = run
      output.failure = new ShipperError('E_PEER_CLOSED', 'away', { retryable: true, scope: 'peer' })
      const client = new Client(run.port)
      client.send(bytesOf(['t', Buffer.concat(entries(0, 3)), { chunk: 'c' }]))
      await until(() => (isKept ? client.acks.length === 1 : client.ended || client.closed))
      expect(client.acks).toHaveLength(isKept ? 1 : 0)
      const rows = isKept ? readFileSync(path, 'utf8').trimEnd().split('\n') : []
      expect(rows.map((row) => JSON.parse(row).cause)).toEqual(isKept ? Array(3).fill('retry_limit') : [])
    },
  )

  test('of a message in several chunks is sent with the last of them', async () => {
    const run = await forwardIn({}, { service: { chunk_size: '4096' } })
    const output = run.outputs[0]
    if (output === undefined) throw new Error('an output')
    output.blocked = true
    const client = new Client(run.port)
    client.send(bytesOf(['t', Buffer.concat(entries(0, 300, 'x'.repeat(100))), { chunk: 'c' }]))
    await until(() => run.counter('messages') === 1)
    await until(() => output.waiting > 1)
    expect(client.acks).toEqual([])
    output.open()
    await until(() => client.acks.length === 1)
    expect(numbersOf(run)).toEqual(count(300))
    expect(output.chunks.length).toBeGreaterThan(5)
    expect(new Set(output.chunks.map(({ id }) => id)).size).toBe(output.chunks.length)
  })

  test('of a message without records is sent at once, even to a peer that has ended its side, which is then disconnected', async () => {
    const run = await forwardIn()
    const output = run.outputs[0]
    if (output === undefined) throw new Error('an output')
    output.blocked = true
    const client = new Client(run.port)
    client.send(
      Buffer.from([0xc0]),
      bytesOf(['t', [], { chunk: 'empty' }]),
      bytesOf(['t', 5, {}, { chunk: Buffer.from([0, 255]) }]),
    )
    client.socket.end()
    await until(() => client.acks.length === 1 && output.waiting === 1)
    expect(client.ended).toBe(false)
    output.open()
    await until(() => client.ended)
    expect(client.acks).toEqual(['empty', new Uint8Array([0, 255])])
    await until(() => run.input.status?.().connections === 0)
  })
})

describe('an acknowledgement during a stop', () => {
  test('is not sent for records abandoned at the end: the connection is closed instead', async () => {
    const run = await forwardIn()
    const output = run.outputs[0]
    if (output === undefined) throw new Error('an output')
    const client = new Client(run.port)
    client.send(bytesOf(['t', [[at(1), { n: 0 }]], { chunk: 'before' }]))
    await until(() => client.acks.length === 1)
    output.blocked = true
    client.send(bytesOf(['t', [[at(1), { n: 1 }]], { chunk: 'abandoned' }]))
    await until(() => output.waiting === 1)
    await run.close()
    await until(() => client.ended)
    expect(client.acks).toEqual(['before'])
  })

  test('is still sent until the end, and nothing more is read', async () => {
    const run = await forwardIn()
    const output = run.outputs[0]
    if (output === undefined) throw new Error('an output')
    output.blocked = true
    const client = new Client(run.port)
    client.send(bytesOf(['t', [[at(1), { n: 0 }]], { chunk: 'in time' }]))
    await until(() => output.waiting === 1)
    await run.stopReading()
    client.send(bytesOf(['t', [[at(1), { n: 1 }]], { chunk: 'too late' }]))
    output.open()
    await run.assembly.settled()
    await until(() => client.acks.length === 1)
    await run.close()
    await until(() => client.ended)
    expect(client.acks).toEqual(['in time'])
    expect(numbersOf(run)).toEqual([0])
  })
})

test('while outputs are blocked, peers are not read and memory stays flat; afterwards everything arrives once', async () => {
  const run = await forwardIn({}, { service: { memory_limit: '4M', chunk_size: '65536' } })
  const [output] = run.outputs
  const [input] = run.assembly.inputs
  if (output === undefined || input === undefined) throw new Error('an output')
  output.blocked = true
  const clients = [0, 1, 2, 3].map(() => new Client(run.port))
  const text = 'x'.repeat(1000)
  for (const [i, client] of clients.entries())
    for (let m = 0; m < 40; m++) {
      const from = (i * 40 + m) * 100
      client.send(
        bytesOf([`t${i % 2}`, Buffer.concat(entries(from, from + 100, text)), { chunk: `${i}.${m}` }]),
      )
    }
  await until(() => isPaused(input))
  expect(run.assembly.budget.used).toBeLessThan(4_000_000)
  expect(input.stage.records).toBeLessThan(2000)
  output.open()
  await until(() => clients.every(({ acks }) => acks.length === 40), { limitMs: 120_000 })
  expect(numbersOf(run).toSorted((a, b) => a - b)).toEqual(count(16_000))
  await until(() => run.assembly.budget.used === 0)
}, 180_000)

describe('a peer', () => {
  test('that violates the protocol is disconnected with one log line, and the others are not', async () => {
    const run = await forwardIn({ buffer_max_size: '65536' })
    const good = new Client(run.port)
    good.send(bytesOf(['t', 5, { n: 0 }, { chunk: 'first' }]))
    const bomb = gzipSync(Buffer.alloc(10_000_000, bytesOf([at(1), {}])))
    const bad: [Buffer, string][] = [
      [Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'an HTTP request'],
      [bytesOf(['t', Buffer.alloc(70_000)]), 'a payload of 70000 bytes'],
      [bytesOf(['t', [[at(1), { k: 'x'.repeat(70_000) }]]]), 'a value of more than 65536 bytes'],
      [bytesOf(['t', bomb, { compressed: 'gzip' }]), 'when decompressed'],
      [bytesOf(['t', Buffer.from('1f8b0800', 'hex')]), 'cannot be decompressed'],
      [bytesOf(['t', Buffer.alloc(200, 0x91)]), 'nested deeper'],
    ]
    for (const [bytes, words] of bad) {
      const client = new Client(run.port)
      client.send(bytes)
      await until(() => client.closed || client.ended, { what: words })
      client.socket.destroy()
      expect(run.logged.filter((line) => line.includes(words))).toHaveLength(1)
    }
    expect(run.counter('closed_peers')).toBe(bad.length)
    good.send(bytesOf(['t', 5, { n: 1 }, { chunk: 'last' }]))
    await until(() => good.acks.length === 2)
    expect(numbersOf(run)).toEqual([0, 1])
  })

  test('above Max_Connections displaces the longest idle connection', async () => {
    let nowMs = 0
    const run = await forwardIn(
      { max_connections: '2' },
      { clock: { ...systemClock, nowMs: () => (nowMs += 1000) } },
    )
    const [first, second] = [new Client(run.port), new Client(run.port)]
    await until(() => run.counter('connections') === 2)
    for (const client of [second, first]) {
      client.send(bytesOf(['t', 5, {}, { chunk: 'c' }]))
      await until(() => client.acks.length === 1)
    }
    const third = new Client(run.port)
    third.send(bytesOf(['t', 5, {}, { chunk: 'c' }]))
    await until(() => third.acks.length === 1 && second.closed)
    expect([first.closed, run.counter('evicted_connections'), run.counter('refused_connections')]).toEqual([
      false,
      1,
      0,
    ])
  })

  test('above Max_Connections waits when every other is sending or waits for its acknowledgements, and none is closed', async () => {
    const run = await forwardIn({ max_connections: '2' })
    const [output] = run.outputs
    if (output !== undefined) output.blocked = true
    const [waiting, sending, third] = [new Client(run.port), new Client(run.port), new Client(run.port)]
    waiting.send(bytesOf(['t', 5, {}, { chunk: 'c' }]))
    sending.send(bytesOf(['t', 5, {}]).subarray(0, 3))
    third.send(bytesOf(['t', 5, {}, { chunk: 'd' }]))
    await until(() => run.outputs[0]?.waiting === 1 && run.counter('waiting_connections') === 1)
    run.outputs[0]?.open()
    await until(() => waiting.acks.length === 1)
    expect([waiting.closed, sending.closed, third.closed]).toEqual([false, false, false])
    waiting.socket.destroy()
    await until(() => third.acks.length === 1)
    expect([sending.closed, run.counter('evicted_connections')]).toEqual([false, 0])
  })
})

test('while halves of large messages use up their memory a small peer is read, and all arrive once they are complete', async () => {
  const run = await forwardIn({ buffer_max_size: '2M' }, { service: { memory_limit: '64M' } })
  const small = new Client(run.port)
  small.send(bytesOf(['t', 5, { n: 0 }, { chunk: 'first' }]))
  await until(() => small.acks.length === 1)
  // Compressed, so that they are kept until they are complete.
  const packed = gzipSync(Buffer.concat(entries(1, 101, randomBytes(7000).toString('hex'))), { level: 0 })
  const large = bytesOf(['t', packed, { chunk: 'large' }])
  const peers = count(20).map(() => new Client(run.port))
  for (const peer of peers) peer.send(large.subarray(0, large.length - 1000))
  const used = (): number => run.assembly.inputs[0]?.account.used ?? 0
  await until(() => used() > 3_000_000)
  small.send(bytesOf(['t', 5, { n: 101 }, { chunk: 'second' }]))
  await until(() => small.acks.length === 2)
  // 4 MB for all, and one buffer of 2 MB that becomes one of 4 MB.
  expect(used()).toBeLessThan(11_000_000)
  for (const peer of peers) peer.send(large.subarray(large.length - 1000))
  await until(() => peers.every(({ acks }) => acks.length === 1))
  expect(numbersOf(run)).toHaveLength(2 + 20 * 100)
}, 180_000)

test.each([gzipSync, zstdCompressSync])(
  'a compressed payload that waits for an output does not make that of another peer wait (%p)',
  async (compress) => {
    const run = await forwardIn({}, { common: { mem_buf_limit: '4M' } })
    const [output] = run.outputs
    if (output === undefined) return
    const [stuck, other] = [new Client(run.port), new Client(run.port)]
    const payload = (from: number, to: number, text: string): Buffer =>
      compress(Buffer.concat(entries(from, to, text)))
    output.refused = /^a$/
    stuck.send(bytesOf(['a', payload(0, 400, 'x'.repeat(20_000)), { chunk: 'stuck' }]))
    await until(() => (run.assembly.inputs[0]?.account.used ?? 0) > 500_000)
    other.send(bytesOf(['b', payload(400, 401, ''), { chunk: 'other' }]))
    await until(() => other.acks.length === 1)
    expect([stuck.acks.length, numbersOf(run)]).toEqual([0, [400]])
    output.refused = undefined
    await until(() => stuck.acks.length === 1)
    expect(numbersOf(run).toSorted((a, b) => a - b)).toEqual(count(401))
  },
  180_000,
)

test('a peer that never completes a value is disconnected when others wait for its memory, and not before', async () => {
  let advancedMs = 0
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + advancedMs }
  const run = await forwardIn({ buffer_max_size: '3M' }, { clock })
  const packed = gzipSync(Buffer.concat(entries(0, 100, randomBytes(14_000).toString('hex'))), { level: 0 })
  const large = bytesOf(['t', packed, { chunk: 'other' }])
  const [slow, ...late] = count(6).map(() => new Client(run.port)) as [Client, ...Client[]]
  for (const client of late) client.send(bytesOf(['t', 5, {}, { chunk: 'small' }]))
  await until(() => late.every(({ acks }) => acks.length === 1))
  const trickle = async (to: number): Promise<void> => {
    for (; sent < to && run.counter('closed_peers') === 0; sent++) {
      slow.send(large.subarray(sent, sent + 1))
      await until(() => slow.socket.writableLength === 0)
      await turn()
    }
  }
  let sent = 0
  const begin = async (): Promise<void> => {
    sent = large.length - 1000
    slow.send(large.subarray(0, sent))
    await until(() => (run.assembly.inputs[0]?.account.used ?? 0) > 4_000_000)
  }
  await begin()
  advancedMs += 61_000
  // No other peer waits for its memory, so it may be slow.
  await trickle(sent + 100)
  slow.send(large.subarray(sent))
  await until(() => slow.acks.length === 1)
  await begin()
  const other = new Client(run.port)
  other.send(large)
  let rounds = 0
  await until(() => {
    advancedMs += 1000
    // Messages that begin only now.
    if (rounds++ % 10 === 9) late[Math.floor(rounds / 10) - 1]?.send(large.subarray(0, 1))
    return trickle(sent + 1).then(() => run.counter('closed_peers') === 1)
  })
  await until(() => slow.closed)
  expect(run.logged.join()).toContain('took more than 60 s for one value while others waited')
  expect([other, ...late].some(({ closed }) => closed)).toBe(false)
  expect(rounds).toBeGreaterThan(50)
  await until(() => other.acks.length === 1)
})

test('a peer that is silent within a message is disconnected after 2 s for one that waits for its memory, and no other', async () => {
  let advancedMs = 0
  const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + advancedMs }
  const run = await forwardIn({ buffer_max_size: '3M' }, { clock, service: { memory_limit: '64M' } })
  const packed = gzipSync(Buffer.concat(entries(0, 100, randomBytes(14_000).toString('hex'))), { level: 0 })
  const large = bytesOf(['t', packed, { chunk: 'large' }])
  const [silent, other, idle] = count(3).map(() => new Client(run.port)) as [Client, Client, Client]
  idle.send(bytesOf(['t', 5, {}, { chunk: 'small' }]))
  await until(() => idle.acks.length === 1)
  silent.send(large.subarray(0, large.length - 1000))
  await until(() => (run.assembly.inputs[0]?.account.used ?? 0) > 4_000_000)
  other.send(large)
  await until(() => {
    advancedMs += 200
    return other.acks.length === 1
  })
  await until(() => silent.closed)
  expect([other.closed, idle.closed, run.counter('closed_peers')]).toEqual([false, false, 1])
  expect(advancedMs).toBeLessThan(60_000)
  expect(run.logged.join()).toContain('sent nothing for the message it is in while others waited for memory')
}, 180_000)

describe('a connection', () => {
  test('that ends within a message frees its memory and keeps the complete entries', async () => {
    const run = await forwardIn()
    const client = new Client(run.port)
    const bytes = bytesOf(['t', Buffer.concat(entries(0, 10)), { chunk: 'c' }])
    client.send(bytes.subarray(0, bytes.length - 20))
    await until(() => run.assembly.inputs[0]?.account.used)
    client.socket.destroy()
    await until(() => run.counter('cut_messages') === 1)
    await run.assembly.settled()
    expect(numbersOf(run)).toEqual(count(9))
    expect(run.assembly.budget.used).toBe(0)
  })

  test('that never reads its acknowledgements has to wait, and uses no more memory for each of them', async () => {
    const run = await forwardIn()
    const output = run.outputs[0]
    if (output === undefined) throw new Error('an output')
    output.blocked = true
    const client = new Client(run.port)
    const messages = Buffer.concat(count(3000).map((n) => bytesOf(['t', 5, { n }, { chunk: `${n}` }])))
    client.send(messages)
    await until(() => run.counter('messages') === 1024)
    output.open()
    await until(() => client.acks.length === 3000)
    expect(numbersOf(run)).toEqual(count(3000))
  })

  test('that sends and does not read is not read beyond 32 kB of acknowledgements, and gets all of them once it reads', async () => {
    const run = await forwardIn()
    const socket = connect(run.port, '127.0.0.1')
    atEnd(() => void socket.destroy())
    socket.pause()
    const total = 20_000
    const one = bytesOf(['t', 5, {}, { chunk: 'c'.repeat(1000) }])
    socket.write(Buffer.alloc(one.length * total, one))
    const other = new Client(run.port)
    let before = -1
    // The buffers of the kernel take some first.
    while (run.counter('messages') > before) {
      before = run.counter('messages')
      for (let i = 1; i <= 20; i++) {
        const known = other.acks.length
        other.send(bytesOf(['t', 5, {}, { chunk: `${i}` }]))
        await until(() => other.acks.length > known)
      }
      before += 20
    }
    expect(before).toBeLessThan(total)
    let bytes = 0
    socket.on('data', (data) => {
      bytes += data.length
    })
    socket.resume()
    await untilReaches(total * bytesOf({ ack: 'c'.repeat(1000) }).length, () => bytes)
  })
})

describe('Unix_Path', () => {
  test('is created with Unix_Perm, also if a killed process left a socket there, and is removed at the end', async () => {
    const path = join(tmp(), 'in.sock')
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    await start(['-e', script], { command: [process.execPath] }).ended()
    expect(statSync(path).isSocket()).toBe(true)
    const run = await forwardIn({ unix_path: path, unix_perm: '0600' })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const client = new Client(path)
    client.send(bytesOf(['t', 5, {}, { chunk: 'c' }]))
    await until(() => client.acks.length === 1)
    await expect(forwardIn({ unix_path: path })).rejects.toThrow(`cannot listen on ${path}`)
    client.send(bytesOf(['t', 5, {}, { chunk: 'd' }]))
    await until(() => client.acks.length === 2)
    await run.close()
    expect(() => statSync(path)).toThrow('ENOENT')
  })

  test('does not replace an existing file', async () => {
    const path = join(tmp(), 'file')
    await Bun.write(path, 'mine')
    await expect(forwardIn({ unix_path: path })).rejects.toThrow(`cannot listen on ${path}`)
    expect(readFileSync(path, 'utf8')).toBe('mine')
  })
})

test('a port in use ends the run with a hint', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await expect(forwardIn({ port: String(port) })).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`)
  server.close()
})
