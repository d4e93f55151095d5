import { describe, expect, test } from 'bun:test'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decode, encode } from '@msgpack/msgpack'
import { Client } from '../support/forward/input-run.ts'
import { section } from '../support/kafka/agent.ts'
import { type KafkaPeer, kafkaPeer } from '../support/kafka/peer.ts'
import { valuesOf } from '../support/kafka/run.ts'
import { Mounts, withMounts } from '../support/mounts.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, shipperCommand, start } from '../support/process.ts'
import { ackedBytes, linesWith } from '../support/shipping.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const TOO_LARGE = 10

type Options = Record<string, string | number>

/** Starts the binary with tail of `a.log` and a kafka output to `peer`. */
function leaf(
  dir: string,
  peer: KafkaPeer,
  kafka: Options = {},
  { command, port }: { command?: string[]; port?: number } = {},
): Running {
  const conf = join(dir, 'agent.conf')
  const input = {
    name: 'tail',
    tag: 'app',
    path: join(dir, 'a.log'),
    db: join(dir, 'pos.db'),
    read_from_head: 'on',
  }
  const output = {
    name: 'kafka',
    match: '*',
    brokers: `127.0.0.1:${peer.port}`,
    topics: 'logs',
    format: 'raw',
    ...kafka,
  }
  const http: Options =
    port === undefined ? { http_server: 'off' } : { http_server: 'on', http_port: port, hc_output_down: 1 }
  const service = { flush: 0.1, grace: 1, 'scheduler.base': 1, 'scheduler.cap': 1, ...http }
  writeFileSync(
    conf,
    [section('SERVICE', service), section('INPUT', input), section('OUTPUT', output)].join('\n'),
  )
  return start(['-c', conf], command === undefined ? {} : { command })
}

function lettersIn(dir: string): { record: string; cause: string; tag: string; origin?: unknown }[] {
  const names = readdirSync(dir).filter((name) => /^dead-letters\..*\.jsonl(\.\d+)?$/.test(name))
  const lines = names.flatMap((name) => readFileSync(join(dir, name), 'utf8').split('\n'))
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line))
}

function logsIn(dir: string): unknown[] {
  return lettersIn(dir).map(
    ({ record }) => (decode(Buffer.from(record, 'base64')) as [unknown, { log: string }])[1].log,
  )
}

/** Refuses each batch with a record that contains `bad`. */
function refuseBad(peer: KafkaPeer): void {
  peer.refuse = ({ bytes }) => (bytes.includes('bad') ? TOO_LARGE : 0)
}

async function run(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const process = start(args)
  const { code } = await process.ended()
  return { code, stdout: process.stdout, stderr: process.stderr }
}

test('kill -9 between the row of a record and the acknowledgement of its chunk loses neither', async () => {
  const dir = tmp()
  const peer = await kafkaPeer()
  refuseBad(peer)
  // The first line is refused and written to the file; the responses to the others never come.
  peer.response = () => (peer.arrivals.at(-1)?.bytes.includes('bad') ? 'send' : 'defer')
  writeFileSync(join(dir, 'a.log'), 'bad 1\ngood 2\ngood 3\ngood 4\n')
  const first = leaf(dir, peer)
  await until(
    () =>
      logsIn(dir).length > 0 &&
      peer.arrivals.some(({ bytes }) => bytes.includes('good') && !bytes.includes('bad')),
  )
  first.kill('SIGKILL')
  await first.ended()
  peer.response = 'send'
  peer.sendDeferred()
  const second = leaf(dir, peer)
  await second.waitForStderr('1 record rejected and written to')
  const size = Bun.file(join(dir, 'a.log')).size
  await until(async () => (await ackedBytes(second))[0] === size)
  expect(new Set(logsIn(dir))).toEqual(new Set(['bad 1']))
  const values = await valuesOf(peer.written())
  expect([...new Set(values)].sort()).toEqual(['good 2', 'good 3', 'good 4'])
  expect(await second.stop()).toEqual({ code: 0, signal: null })
})

test('a full dead-letter file lets tail wait with one error line; a replay makes room and the agent goes on', async () => {
  const dir = tmp()
  const peer = await kafkaPeer()
  refuseBad(peer)
  const lines = Array.from({ length: 20 }, (_, i) => `bad ${i}`)
  writeFileSync(join(dir, 'a.log'), `${lines.join('\n')}\n`)
  const [port = 0] = await freePorts(1)
  const agent = leaf(dir, peer, { dead_letter_limit: '4000' }, { port })
  await agent.waitForStderr('has reached its Dead_Letter_Limit of 4000 bytes')
  await until(async () => {
    const health = await fetch(`http://127.0.0.1:${port}/api/v1/health`)
    const [status, line] = (await health.text()).split('\n')
    if (health.status !== 500) return false
    expect([status, line]).toEqual([
      'error',
      expect.stringContaining('kafka.0 cannot store rejected records since'),
    ])
    const letters = join(dir, 'dead-letters.kafka.0.jsonl')
    expect(line).toContain(`${letters} has reached its Dead_Letter_Limit of 4000 bytes; records wait`)
    expect(line).toContain(`shipper dead-letters replay ${letters}`)
    return true
  })
  const status = await run('status', '--url', `http://127.0.0.1:${port}`)
  expect([status.code, status.stdout]).toEqual([1, expect.stringContaining('DEAD LETTERS cannot be kept')])
  expect(await ackedBytes(agent)).toEqual([0])
  const kept = logsIn(dir).length
  expect(kept).toBeGreaterThan(2)
  expect(kept).toBeLessThan(20)
  mkdirSync(join(dir, 'out'))
  const replay = (): ReturnType<typeof run> =>
    run(
      'dead-letters',
      'replay',
      join(dir, 'dead-letters.kafka.0.jsonl'),
      '-o',
      'file',
      '-p',
      `path=${dir}/out`,
      '-p',
      'file=all',
      '-p',
      'format=plain',
    )
  const size = Bun.file(join(dir, 'a.log')).size
  const arrived = (): string[] => {
    const path = join(dir, 'out', 'all')
    return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : []
  }
  await until(async () => {
    const { code, stderr } = await replay()
    expect([code, stderr]).toEqual([0, ''])
    return (await ackedBytes(agent))[0] === size
  })
  await replay()
  expect(arrived().map((line) => JSON.parse(line).log)).toEqual(lines)
  expect(
    linesWith(agent, 'E_DEAD_LETTERS').filter(({ level }) => level === 'error').length,
  ).toBeLessThanOrEqual(20)
  expect((await run('dead-letters', 'list', dir)).stdout).toContain(' 0 to replay')
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
}, 400_000)

withMounts('a full disk lets tail wait until there is space, and no record is lost', async () => {
  const [dir, disk] = [tmp(), tmp()]
  const mounts = await Mounts.make(`mount -t tmpfs -o size=64k none ${disk}`)
  const fill = mounts.outside(join(disk, 'fill'))
  mounts.fillDisk(join(disk, 'fill'))
  const peer = await kafkaPeer()
  refuseBad(peer)
  writeFileSync(join(dir, 'a.log'), 'good 1\nbad 2\ngood 3\n')
  const letters = { dead_letter_file: join(disk, 'letters') }
  const agent = leaf(dir, peer, letters, { command: mounts.command(shipperCommand()) })
  await agent.waitForStderr('rejected records wait, nothing is dropped')
  expect(await ackedBytes(agent)).toEqual([0])
  rmSync(fill)
  const size = Bun.file(join(dir, 'a.log')).size
  await until(async () => (await ackedBytes(agent))[0] === size)
  const [row, ...more] = readFileSync(mounts.outside(join(disk, 'letters')), 'utf8')
    .trimEnd()
    .split('\n')
  expect([JSON.parse(row as string).reason, more]).toEqual(['logs/0: MESSAGE_TOO_LARGE', []])
  expect(await valuesOf(peer.written())).toEqual(['good 1', 'good 3'])
  expect(linesWith(agent, 'E_DEAD_LETTERS').filter(({ level }) => level === 'error')).toHaveLength(1)
  await agent.stop()
})

describe('a line whose topic is refused', () => {
  const options = {
    topic_key: 'topic',
    dynamic_topic: 'on',
    allow_auto_create_topics: 'off',
    format: 'json',
    dead_letter_after: 1,
  }

  test('does not hold the other lines of its tag for longer than Dead_Letter_After, and is replayed later', async () => {
    const dir = tmp()
    const peer = await kafkaPeer()
    peer.topics.set('__consumer_offsets', 1)
    peer.refuse = ({ topic }) => (topic === '__consumer_offsets' ? 17 : 0)
    const line = (topic: string, n: number): string => JSON.stringify({ topic, n })
    const lines = [
      line('logs', 0),
      line('__consumer_offsets', 1),
      line('logs', 2),
      line('none', 3),
      line('logs', 4),
    ]
    writeFileSync(join(dir, 'parsers.conf'), '[PARSER]\n    Name j\n    Format json\n')
    writeFileSync(join(dir, 'a.log'), `${lines.join('\n')}\n`)
    const conf = join(dir, 'agent.conf')
    const text = [
      section('SERVICE', {
        flush: 0.1,
        'scheduler.base': 1,
        'scheduler.cap': 1,
        parsers_file: 'parsers.conf',
      }),
      section('INPUT', {
        name: 'tail',
        path: join(dir, 'a.log'),
        db: join(dir, 'pos.db'),
        read_from_head: 'on',
        parser: 'j',
      }),
      section('OUTPUT', {
        name: 'kafka',
        match: '*',
        brokers: `127.0.0.1:${peer.port}`,
        topics: 'logs',
        ...options,
      }),
    ]
    writeFileSync(conf, text.join('\n'))
    const agent = start(['-c', conf])
    await agent.waitForStderr('given up and written to')
    const size = Bun.file(join(dir, 'a.log')).size
    await until(async () => (await ackedBytes(agent))[0] === size)
    const numbers = async (topic: string): Promise<number[]> =>
      (await valuesOf(peer.written(topic))).map((value) => JSON.parse(value).n)
    expect(await numbers('logs')).toEqual([0, 2, 4])
    expect(lettersIn(dir).map(({ cause }) => cause)).toEqual(['destination', 'destination'])
    // The topic exists now.
    peer.topics.set('none', 1)
    const path = join(dir, 'dead-letters.kafka.0.jsonl')
    const first = await run('dead-letters', 'replay', path, '-c', conf)
    expect([first.code, first.stdout]).toEqual([
      1,
      '1 replayed; 1 refused again: __consumer_offsets/0: INVALID_TOPIC_EXCEPTION\n',
    ])
    expect(await numbers('none')).toEqual([3])
    const shown = await run('dead-letters', 'show', dir)
    expect(JSON.parse(shown.stdout)).toMatchObject({
      tag: 'tail.0',
      cause: 'destination',
      record: { topic: '__consumer_offsets', n: 1 },
    })
    expect(await agent.stop()).toEqual({ code: 0, signal: null })
  })
})

test('what each kind of output gives up after Retry_Limit is in its own file, and is replayed to where it belongs', async () => {
  const dir = tmp()
  const [away = 0] = await freePorts(1)
  writeFileSync(join(dir, 'a.log'), 'one\ntwo\n')
  const outputs = [
    { name: 'forward', port: away },
    { name: 'tcp', port: away },
    { name: 'kafka', brokers: `127.0.0.1:${away}` },
    { name: 'file', path: `${join(dir, 'none')}/` },
  ]
  const conf = join(dir, 'agent.conf')
  const text = [
    section('SERVICE', { flush: 0.1, 'scheduler.base': 1, 'scheduler.cap': 1 }),
    section('INPUT', {
      name: 'tail',
      path: join(dir, 'a.log'),
      db: join(dir, 'pos.db'),
      read_from_head: 'on',
      exit_on_eof: 'on',
    }),
    ...outputs.map((options) => section('OUTPUT', { match: '*', retry_limit: 'no_retries', ...options })),
  ]
  writeFileSync(conf, text.join('\n'))
  const agent = start(['-c', conf])
  expect(await agent.ended(), agent.stderr).toEqual({ code: 0, signal: null })
  for (const { name } of outputs) {
    const rows = readFileSync(join(dir, `dead-letters.${name}.0.jsonl`), 'utf8')
      .trimEnd()
      .split('\n')
    expect(rows.map((row) => JSON.parse(row))).toMatchObject(
      [0, 1].map(() => ({
        cause: 'retry_limit',
        output: `${name}.0`,
        origin: { file: join(dir, 'a.log'), offset: 0, end: 8 },
      })),
    )
  }
  mkdirSync(join(dir, 'none'))
  const replayed = await run('dead-letters', 'replay', join(dir, 'dead-letters.file.0.jsonl'), '-c', conf)
  expect([replayed.code, replayed.stdout]).toEqual([0, '2 replayed\n'])
  expect(readFileSync(join(dir, 'none', 'tail.0'), 'utf8').match(/one|two/g)).toEqual(['one', 'two'])
})

test('600 tags whose files cannot be created do not keep a good one from being acknowledged', async () => {
  const dir = tmp()
  const [port = 0] = await freePorts(1)
  mkdirSync(join(dir, 'out'))
  const conf = join(dir, 'agent.conf')
  const text = [
    section('SERVICE', { flush: 0.1, 'scheduler.base': 1, 'scheduler.cap': 1 }),
    section('INPUT', { name: 'forward', listen: '127.0.0.1', port }),
    section('OUTPUT', {
      name: 'file',
      match: '*',
      path: join(dir, 'out'),
      mkdir: 'on',
      dead_letter_after: 1,
      dead_letter_file: join(dir, 'dead-letters.x.jsonl'),
    }),
  ]
  writeFileSync(conf, text.join('\n'))
  const agent = start(['-c', conf])
  await agent.waitForStderr('listening on')
  const message = (tag: string): Uint8Array => encode([tag, [[1000, { log: tag }]], { chunk: tag }])
  const good = new Client(port)
  good.send(message('rec'))
  await until(() => good.acks.includes('rec'))
  const bad = new Client(port)
  const tags = Array.from({ length: 600 }, (_, i) => `rec/${i}`)
  bad.send(...tags.map(message))
  good.send(message('good'))
  await until(() => good.acks.includes('good'))
  await until(() => bad.acks.length === tags.length)
  expect(
    lettersIn(dir)
      .map(({ tag }) => tag)
      .sort(),
  ).toEqual([...tags].sort())
  expect(readdirSync(join(dir, 'out')).sort()).toEqual(['good', 'rec'])
  expect(await agent.stop()).toEqual({ code: 0, signal: null })
})
