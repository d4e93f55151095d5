import { expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Authority } from '../support/certs.ts'
import { DatagramPeer } from '../support/datagram-peer.ts'
import { LineReceiver } from '../support/line-receiver.ts'
import { freePorts } from '../support/ports.ts'
import { type Running, start } from '../support/process.ts'
import { writeLines } from '../support/tail/lines.ts'
import { tmp } from '../support/tmp.ts'
import { until, untilReaches } from '../support/until.ts'

/** Starts the agent: it follows `a.log` in the folder, with a database, and has one output. */
function agentTo(dir: string, output: Record<string, string | number>, service: string[] = []): Running {
  const options = Object.entries(output).map(([key, value]) => `    ${key}  ${value}\n`)
  const config = [
    '[SERVICE]\n    Flush  0.1\n    Scheduler.Base  1\n    Scheduler.Cap  1\n',
    ...service.map((line) => `    ${line}\n`),
    `[INPUT]\n    Name  tail\n    Tag  app\n    Path  ${join(dir, 'a.log')}\n    DB  ${join(dir, 'pos.db')}\n    Read_From_Head  on\n`,
    `[OUTPUT]\n    Match  *\n${options.join('')}`,
  ].join('')
  writeFileSync(join(dir, 'agent.conf'), config)
  return start(['-c', join(dir, 'agent.conf')])
}

const allCome = (receiver: LineReceiver, agent: () => Running, count: number): Promise<unknown> =>
  untilReaches(count, async () => receiver.numbers.size).catch((cause) => {
    const missing = receiver.missing(count)
    throw new Error(
      `${missing.length} lines are missing, such as ${missing.slice(0, 5)}\n${agent().stderr.slice(-2000)}`,
      {
        cause,
      },
    )
  })

const RAW = { name: 'tcp', raw_message_key: 'log' }

test('tcp: kill -9 again and again loses no line', async () => {
  const dir = tmp()
  const receiver = await LineReceiver.open()
  writeLines(join(dir, 'a.log'), 0, 300_000)
  const options = { ...RAW, port: receiver.port }
  let agent = agentTo(dir, options)
  for (let i = 1; i <= 5; i++) {
    const { size } = receiver.numbers
    await until(() => receiver.numbers.size > Math.min(size, 240_000))
    agent.kill('SIGKILL')
    await agent.exited
    agent = agentTo(dir, options)
  }
  await allCome(receiver, () => agent, 300_000)
  expect((await agent.stop()).code).toBe(0)
}, 120_000)

test('tcp: a stop while the peer reads slowly ends within Grace, and the next run goes on without a gap', async () => {
  const dir = tmp()
  const receiver = await LineReceiver.open()
  receiver.delayMs = 20
  writeLines(join(dir, 'a.log'), 0, 200_000)
  const options = { ...RAW, port: receiver.port }
  let agent = agentTo(dir, options, ['Grace  1'])
  await until(() => receiver.lines > 0)
  expect((await agent.stop()).code).toBe(0)
  expect(receiver.numbers.size).toBeLessThan(200_000)
  receiver.delayMs = 0
  agent = agentTo(dir, options)
  await allCome(receiver, () => agent, 200_000)
  await agent.stop()
}, 120_000)

test('tcp: what is written while the peer is down for 5 s comes when it is back', async () => {
  const dir = tmp()
  const receiver = await LineReceiver.open()
  writeLines(join(dir, 'a.log'), 0, 1000)
  const agent = agentTo(dir, { ...RAW, port: receiver.port })
  await allCome(receiver, () => agent, 1000)
  await receiver.close()
  const beganMs = Date.now()
  writeLines(join(dir, 'a.log'), 1000, 100_000)
  await until(() => agent.stderr.includes('cannot connect to') && Date.now() - beganMs > 5000)
  await receiver.listen()
  await allCome(receiver, () => agent, 100_000)
  await agent.stop()
}, 120_000)

test('udp: what is written while the port is closed for 5 s comes when it is open', async () => {
  const dir = tmp()
  const peer = await DatagramPeer.open()
  writeLines(join(dir, 'a.log'), 0, 10)
  const agent = agentTo(dir, { name: 'udp', raw_message_key: 'log', port: peer.port })
  await until(() => peer.got.length === 10)
  await peer.close()
  const beganMs = Date.now()
  writeLines(join(dir, 'a.log'), 10, 1000)
  await until(
    () => agent.stderr.includes('no process listens on that UDP port') && Date.now() - beganMs > 5000,
  )
  await peer.listen()
  const numbers = () => new Set(peer.texts().map((text) => Number(text.slice(0, 8))))
  await untilReaches(1000, async () => numbers().size)
  await agent.stop()
}, 400_000)

test('tls: a wrong name and an expired certificate hold the records and say why; the right one gets all, each once', async () => {
  const dir = tmp()
  const authority = new Authority()
  const ca = join(dir, 'ca.pem')
  writeFileSync(ca, authority.cert)
  const receiver = await LineReceiver.open(authority.issue('s', ['other.example']))
  writeLines(join(dir, 'a.log'), 0, 50_000)
  const agent = agentTo(dir, { ...RAW, port: receiver.port, tls: 'on', 'tls.ca_file': ca })
  await until(() => agent.stderr.includes('not for 127.0.0.1, but for DNS:other.example'))
  await receiver.close()
  await receiver.listen(authority.issue('s', ['127.0.0.1'], -1))
  await until(() => agent.stderr.includes('has expired'))
  await receiver.close()
  expect(receiver.lines).toBe(0)
  await receiver.listen(authority.issue('s', ['127.0.0.1']))
  await allCome(receiver, () => agent, 50_000)
  expect(receiver.lines).toBe(50_000)
  await agent.stop()
}, 400_000)

test('tls: a renewed certificate of the client is used without a restart', async () => {
  const dir = tmp()
  const [authority, old] = [new Authority(), new Authority('Old')]
  const own = (pair: { cert: string; key: string }): void => {
    writeFileSync(join(dir, 'own.pem'), pair.cert)
    writeFileSync(join(dir, 'own.key'), pair.key)
  }
  writeFileSync(join(dir, 'ca.pem'), authority.cert)
  own(old.issue('leaf'))
  const receiver = await LineReceiver.open({
    ...authority.issue('s', ['127.0.0.1']),
    ca: [authority.cert],
    requestCert: true,
    rejectUnauthorized: true,
  })
  writeLines(join(dir, 'a.log'), 0, 1000)
  const agent = agentTo(dir, {
    ...RAW,
    port: receiver.port,
    tls: 'on',
    'tls.ca_file': join(dir, 'ca.pem'),
    'tls.crt_file': join(dir, 'own.pem'),
    'tls.key_file': join(dir, 'own.key'),
  })
  await until(() =>
    /it refuses the certificate of tls.crt_file|as some do that refuse the certificate/.test(agent.stderr),
  )
  own(authority.issue('leaf'))
  await allCome(receiver, () => agent, 1000)
  expect(agent.stderr).toContain('new connections use their current contents')
  await agent.stop()
}, 400_000)

const MESSAGES = 2000

/** Ways from an output syslog to an input syslog. */
const WAYS: [mode: string, format: string, more: Record<string, string>, count: number][] = [
  ['tcp', 'rfc5424', {}, MESSAGES],
  ['tcp', 'rfc3164', { syslog_framing: 'octet_counting' }, MESSAGES],
  ['tls', 'rfc5424', {}, MESSAGES],
  ['udp', 'rfc5424', {}, 200],
  ['udp', 'rfc3164', {}, 200],
]

test.each(WAYS)(
  'syslog over %s in %s: an input syslog gets each message once, in order',
  async (mode, format, more, count) => {
    const dir = tmp()
    const authority = new Authority()
    const pair = authority.issue('s', ['127.0.0.1'])
    for (const [name, text] of [
      ['ca.pem', authority.cert],
      ['s.pem', pair.cert],
      ['s.key', pair.key],
    ] as const)
      writeFileSync(join(dir, name), text)
    const [port = 0] = await freePorts(1)
    const secure = mode === 'tls'
    const served = secure
      ? [`tls=on`, `tls.crt_file=${join(dir, 's.pem')}`, `tls.key_file=${join(dir, 's.key')}`]
      : []
    const listens = [
      `mode=${mode === 'udp' ? 'udp' : 'tcp'}`,
      `port=${port}`,
      `parser=syslog-${format}`,
      ...served,
    ]
    const receiver = start([
      ...['-i', 'syslog', ...listens.flatMap((text) => ['-p', text])],
      ...['-o', 'file', '-p', `path=${dir}`, '-p', 'file=out', '-p', 'format=plain', '-m', '*', '-f', '0.1'],
    ])
    await until(() => receiver.stderr.includes('listening on'))
    writeLines(join(dir, 'a.log'), 0, count)
    const agent = agentTo(dir, {
      ...{ name: 'syslog', mode, port, syslog_format: format, syslog_message_key: 'log' },
      ...{ syslog_hostname_preset: 'web-1', syslog_appname_preset: 'app', syslog_procid_preset: '7' },
      ...more,
      ...(secure ? { 'tls.ca_file': join(dir, 'ca.pem') } : {}),
    })
    const records = (): Record<string, string>[] =>
      existsSync(join(dir, 'out'))
        ? readFileSync(join(dir, 'out'), 'utf8')
            .split('\n')
            .slice(0, -1)
            .map((line) => JSON.parse(line) as Record<string, string>)
        : []
    await until(() => records().length >= count, {
      what: () => `${records().length} ${agent.stderr} ${receiver.stderr}`,
    })
    await agent.stop()
    await receiver.stop()
    const numbers = records().map(({ message = '' }) => Number(message.replace('\ufeff', '').slice(0, 8)))
    expect(numbers).toEqual(Array.from({ length: count }, (_, n) => n))
    expect(records()[0]).toMatchObject({ host: 'web-1', ident: 'app', pri: '14' })
  },
  400_000,
)
