import { describe, expect, test } from 'bun:test'
import { createSocket } from 'node:dgram'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { dropsBetween, dropsOf, inodesAt } from '../../../src/lib/net/lost-datagrams.ts'
import { spec } from '../../../src/plugins/inputs/udp.ts'
import { freePorts } from '../../support/ports.ts'
import { start } from '../../support/process.ts'
import { serverIn } from '../../support/server-run.ts'
import { atEnd, tmp } from '../../support/tmp.ts'
import { until } from '../../support/until.ts'

const FLOOD = resolve(import.meta.dirname, '../../support/udp-flood.ts')
const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

/** Returns a function that sends datagrams from one socket, and its port. */
async function sender(
  port: number,
): Promise<{ send(...data: (string | Buffer)[]): Promise<void>; port: number }> {
  const socket = createSocket('udp4')
  atEnd(() => void socket.close())
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  return {
    port: socket.address().port,
    send: async (...data) => {
      for (const datagram of data)
        await new Promise<void>((resolve) => void socket.send(datagram, port, '127.0.0.1', () => resolve()))
    },
  }
}

describe('the input udp', () => {
  test('makes records of datagrams with one or several messages', async () => {
    const run = await serverIn(spec)
    const { send } = await sender(run.port)
    await send('{"a":1}\n{"a":2}', '[3]', '{"a":', 'text\n')
    expect(await run.has(5)).toEqual([{ a: 1 }, { a: 2 }, { msg: [3] }, { log: '{"a":' }, { log: 'text' }])
    expect([run.counter('datagrams'), run.counter('parse_failed')]).toEqual([4, 2])
  })

  test('keeps the last message of a datagram that has no separator, and what follows empty ones', async () => {
    const run = await serverIn(spec, { format: 'none', separator: ';' })
    const { send } = await sender(run.port)
    await send('a;;b;c', 'd', ';')
    expect((await run.has(4)).map(({ log }) => log)).toEqual(['a', 'b', 'c', 'd'])
  })

  test('adds the address of each sender, with Format none, too', async () => {
    const run = await serverIn(spec, { format: 'none', source_address_key: 'from' })
    const senders = [await sender(run.port), await sender(run.port)]
    for (const { send } of senders) await send('a')
    const from = (await run.has(2)).map((record) => record.from)
    expect(from.toSorted()).toEqual(senders.map(({ port }) => `udp://127.0.0.1:${port}`).toSorted())
  })

  test('adds the IP address alone with Source_Address_Form host, of both families', async () => {
    for (const [listen, to, shown] of [
      ['127.0.0.1', '127.0.0.1', '127.0.0.1'],
      ['::1', '::1', '::1'],
      ['::', '127.0.0.1', '127.0.0.1'],
    ] as const) {
      const options = { listen, format: 'none', source_address_key: 'from', source_address_form: 'host' }
      const run = await serverIn(spec, options)
      const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4')
      atEnd(() => void socket.close())
      socket.send('a', run.port, to)
      expect((await run.has(1))[0]?.from).toBe(shown)
    }
  })

  test('takes the largest datagram whole', async () => {
    const run = await serverIn(spec, { format: 'none' })
    const { send } = await sender(run.port)
    await send('x'.repeat(65_507))
    expect(String((await run.has(1))[0]?.log).length).toBe(65_507)
  })

  test('listens on all addresses of both families', async () => {
    const run = await serverIn(spec, { format: 'none', listen: '::' })
    const { send } = await sender(run.port)
    await send('over IPv4')
    expect(await run.has(1)).toEqual([{ log: 'over IPv4' }])
  })

  test('counts the datagrams that its memory limit costs, and takes others after it', async () => {
    const run = await serverIn(spec, { format: 'none' }, { common: { mem_buf_limit: '100K' } })
    run.output.blocked = true
    const { send } = await sender(run.port)
    const datagram = 'x'.repeat(1000)
    await send(...count(5000).map(() => datagram))
    await until(() => run.counter('datagrams') + run.counter('lost_datagrams', 'kernel') === 5000)
    // As many as it can hold; the others are lost.
    const lost = run.counter('lost_datagrams', 'memory')
    expect(lost).toBeGreaterThan(100)
    run.output.open()
    await run.has(5000 - run.counter('lost_datagrams'))
    await send('after')
    await until(() => run.records().some(({ log }) => log === 'after'))
    expect(run.records()).toHaveLength(5001 - run.counter('lost_datagrams'))
    await run.stopReading()
    const reports = run.logged.filter((line) => line.includes('the memory limit of the input is reached'))
    expect(reports.at(-1)).toContain(`(${lost} since the start)`)
  })

  test('advises a buffer on disk where it has none, and no other', async () => {
    for (const isBuffered of [false, true]) {
      const run = await serverIn(spec, { format: 'none' }, { common: { mem_buf_limit: '100K' }, isBuffered })
      run.output.blocked = true
      const { send } = await sender(run.port)
      await send(...count(500).map(() => 'x'.repeat(1000)))
      await until(() => run.counter('lost_datagrams', 'memory') > 0)
      await run.stopReading()
      const hints = run.fields
        .map((fields) => String(fields?.hint))
        .filter((hint) => hint.includes('Mem_Buf_Limit'))
      expect(hints.map((hint) => hint.includes('storage.type'))).toEqual(hints.map(() => !isBuffered))
      expect(hints.length).toBeGreaterThan(0)
    }
  })

  test('names the sender of what it cannot parse', async () => {
    const run = await serverIn(spec)
    const { send, port } = await sender(run.port)
    await send('no JSON')
    await run.has(1)
    expect(run.fields).toContainEqual(expect.objectContaining({ peer: `127.0.0.1:${port}`, line: 'no JSON' }))
  })

  test('reports every datagram that the kernel drops', async () => {
    const [port = 0] = await freePorts(1)
    const options = [`port=${port}`, 'format=none', 'receive_buffer_size=16K']
    const run = start([
      '-i',
      'udp',
      ...options.flatMap((text) => ['-p', text]),
      '-o',
      'stdout',
      '-p',
      'format=json_lines',
      '-f',
      '0.1',
    ])
    await until(() => run.stderr.includes('listening on'))
    const { send } = await sender(port)
    await send('before')
    await until(() => run.stdout.includes('before'))
    // While it does not run, the kernel has space for a few of them.
    process.kill(run.pid, 'SIGSTOP')
    await send(...count(2000).map((n) => `n${n} ${'x'.repeat(100)}`))
    process.kill(run.pid, 'SIGCONT')
    await until(() => /(\d+) since the start/.test(run.stderr))
    await send('after')
    await until(() => run.stdout.includes('after'))
    await run.stop()
    const lost = Number(/.*\((\d+) since the start\)/s.exec(run.stderr)?.[1])
    const records = run.stdout.split('\n').filter((line) => line !== '').length
    expect(lost).toBeGreaterThan(0)
    expect(records + lost).toBe(2002)
  })

  test('two inputs on one port count what each of them has lost', async () => {
    const [port = 0] = await freePorts(1)
    const input = (listen: string): string[] =>
      [`port=${port}`, `listen=${listen}`, 'format=none', 'receive_buffer_size=16K'].flatMap((text) => [
        '-p',
        text,
      ])
    const inputs = ['127.0.0.1', '::1'].flatMap((listen) => ['-i', 'udp', ...input(listen)])
    const run = start([...inputs, '-o', 'null', '-m', '*', '-f', '0.1'])
    await until(() => run.stderr.split('listening on').length === 3)
    const { send } = await sender(port)
    process.kill(run.pid, 'SIGSTOP')
    await send(...count(1000).map((n) => `n${n} ${'x'.repeat(100)}`))
    process.kill(run.pid, 'SIGCONT')
    await until(() => run.stderr.includes('since the start'))
    await run.stop()
    const losers = [...run.stderr.matchAll(/"(udp\.\d)","message":"\d+ datagrams were lost/g)].map(
      ([, name]) => name,
    )
    expect([...new Set(losers)]).toEqual(['udp.0'])
  })

  test('of datagrams that come during a stop each is received, reported, or refused to its sender', async () => {
    for (let round = 0; round < 5; round++) {
      const [port = 0] = await freePorts(1)
      const dir = tmp()
      const options = [`port=${port}`, 'format=none', 'receive_buffer_size=64K'].flatMap((text) => [
        '-p',
        text,
      ])
      const file = ['-o', 'file', '-p', `path=${dir}`, '-p', 'file=out', '-m', '*']
      const run = start(['-i', 'udp', ...options, ...file, '-f', '0.1'])
      await until(() => run.stderr.includes('listening on'))
      const flood = start([String(port)], { command: [process.execPath, FLOOD] })
      await until(() => existsSync(join(dir, 'out')))
      await run.stop()
      await flood.ended(60_000)
      const [, sent, refused] = /^(\d+) (\d+)$/m.exec(flood.stdout) ?? []
      const lost = ['the kernel', 'the memory'].map((reason) =>
        Number(new RegExp(`.*\\((\\d+) since the start\\): ${reason}`, 's').exec(run.stderr)?.[1] ?? 0),
      )
      const records = readFileSync(join(dir, 'out'), 'latin1').split('\n').length - 1
      expect(Number(refused)).toBeGreaterThan(0)
      expect(records + (lost[0] ?? 0) + (lost[1] ?? 0)).toBe(Number(sent) - Number(refused))
    }
  }, 120_000)

  test('receives what had arrived before a stop', async () => {
    const run = await serverIn(spec, { format: 'none' })
    const { send } = await sender(run.port)
    await send(...count(500).map((n) => `n${n}`))
    await run.stopReading()
    expect(run.records()).toHaveLength(500)
  })

  test('says which address is in use', async () => {
    const run = await serverIn(spec)
    await expect(serverIn(spec, { port: String(run.port) })).rejects.toThrow(`127.0.0.1:${run.port}`)
  })
})

describe('the tables of the kernel', () => {
  const ROWS = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops',
    ' 1024: 0100007F:1432 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 111 2 0000000000000000 7',
    ' 1025: 00000000:1432 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 222 2 0000000000000000 30',
    ' 1026: 0100007F:1433 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 333 2 0000000000000000 500',
    '',
  ]

  test('have the number of dropped datagrams of each socket, also of two on one port', () => {
    expect(inodesAt(ROWS, '127.0.0.1', 0x1432)).toEqual(['111'])
    expect(inodesAt(ROWS, '0.0.0.0', 0x1432)).toEqual(['222'])
    expect(inodesAt(ROWS, '127.0.0.1', 5)).toEqual([])
    expect([dropsOf(ROWS, '111'), dropsOf(ROWS, '222'), dropsOf(ROWS, '444')]).toEqual([7, 30, undefined])
    // A row that was read twice counts once; some kernels do not have the column.
    expect(dropsOf([...ROWS, ...ROWS], '333')).toBe(500)
    expect(dropsOf([ROWS[1]?.replace(/ 7$/, '') ?? ''], '111')).toBeUndefined()
  })

  test('have addresses of IPv6, in any form', () => {
    const row = (address: string): string =>
      `  9: ${address}:1432 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 555 2 0 3`
    const at = (text: string, address: string): boolean => inodesAt([row(text)], address, 0x1432).length === 1
    expect(at('00000000000000000000000001000000', '::1')).toBe(true)
    expect(at('00000000000000000000000000000000', '::')).toBe(true)
    expect(at('0000000000000000FFFF00000100007F', '::ffff:127.0.0.1')).toBe(true)
    expect(at('000080FE00000000FF565402DEAD9AFE', 'fe80::254:56ff:fe9a:adde%eth0')).toBe(true)
    expect(at('00000000000000000000000001000000', '::2')).toBe(false)
  })

  test('count in 32 bits', () => {
    expect([dropsBetween(5, 9), dropsBetween(2 ** 32 - 2, 3), dropsBetween(7, 7)]).toEqual([4, 5, 0])
  })
})
