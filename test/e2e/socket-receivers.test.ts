import { expect } from 'bun:test'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Authority } from '../support/certs.ts'
import { receiveByGrayGelf, testWithGrayGelf } from '../support/graygelf.ts'
import { freePorts, isListening } from '../support/ports.ts'
import { type Running, run, start } from '../support/process.ts'
import { testWith } from '../support/skip.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const LINES = 5000
const MESSAGES = 60

/** Ships a file of lines to its end by an output with these options. */
async function ship(lines: string[], name: string, options: string[]): Promise<void> {
  const input = join(tmp(), 'in.log')
  writeFileSync(input, lines.map((line) => `${line}\n`).join(''))
  const parameters = (values: string[]): string[] => values.flatMap((value) => ['-p', value])
  const exit = await run([
    ...['-i', 'tail', ...parameters([`path=${input}`, 'read_from_head=on', 'exit_on_eof=on'])],
    ...['-o', name, ...parameters(['host=127.0.0.1', ...options])],
  ])
  const sent = expect.stringContaining(`${lines.length.toLocaleString('en-US')} records sent`)
  expect([exit.code, exit.stderr]).toEqual([0, sent])
}

for (const [what, options] of [
  ['as they are', ['compress=off']],
  ['compressed', []],
] as const)
  testWithGrayGelf(`a server for GELF of others gets each message over UDP once, ${what}`, async () => {
    const [port = 0] = await freePorts(1)
    const server = await receiveByGrayGelf(port)
    // Every tenth one is sent in several parts. All of them fit into a receive buffer.
    const lines = Array.from({ length: MESSAGES }, (_, n) =>
      n % 10 === 0 ? `${n} ${randomBytes(3000).toString('hex')}` : `${n} "quoted" \\ ä`,
    )
    await ship(lines, 'gelf', [`port=${port}`, 'mode=udp', 'gelf_short_message_key=log', ...options])
    type Message = { version: string; short_message: string; host: string; timestamp: number }
    const got = (): Message[] => {
      const { stdout } = server
      return stdout
        .slice(0, stdout.lastIndexOf('\n') + 1)
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Message)
    }
    await until(() => got().length >= lines.length, { what: () => `${got().length} ${server.stderr}` })
    const texts = got().map(({ short_message }) => short_message)
    expect(texts.toSorted()).toEqual(lines.toSorted())
    expect(new Set(got().map(({ version }) => version))).toEqual(new Set(['1.1']))
    expect(got().every(({ host, timestamp }) => host !== '' && timestamp > 1.7e9)).toBe(true)
  })

/** Starts a server of OpenSSL, which prints what it receives. */
async function opensslServer(version: string): Promise<{ server: Running; port: number; ca: string }> {
  const dir = tmp()
  const authority = new Authority()
  const pair = authority.issue('s', ['127.0.0.1'])
  const [ca, cert, key] = ['ca.pem', 's.pem', 's.key'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(ca, authority.cert)
  writeFileSync(cert, pair.cert)
  writeFileSync(key, pair.key)
  const [port = 0] = await freePorts(1)
  const args = ['s_server', '-accept', `127.0.0.1:${port}`, '-cert', cert, '-key', key, '-quiet', version]
  const server = start(args, { command: ['openssl'], stdin: 'open' })
  await until(() => server.exit !== undefined || isListening(port, 'tcp'), { what: () => server.stderr })
  return { server, port, ca }
}

/** Returns the messages in frames of RFC 6587 that say their length. */
function counted(bytes: Buffer): Buffer[] {
  const messages: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const blank = bytes.indexOf(' ', at)
    const end = blank + 1 + Number(bytes.toString('latin1', at, blank))
    messages.push(bytes.subarray(blank + 1, end))
    at = end
  }
  return messages
}

const textsOf = {
  tcp: (bytes: Buffer) => bytes.toString().split('\n').slice(0, -1),
  gelf: (bytes: Buffer) =>
    bytes
      .toString()
      .split('\0')
      .slice(0, -1)
      .map((text) => (JSON.parse(text) as { short_message: string }).short_message),
  syslog: (bytes: Buffer) => counted(bytes).map((message) => message.toString().replace(/^.* - \ufeff?/, '')),
}

const OPTIONS: Record<keyof typeof textsOf, string[]> = {
  tcp: ['raw_message_key=log', 'tls=on'],
  gelf: ['gelf_short_message_key=log', 'mode=tls'],
  syslog: [
    'syslog_message_key=log',
    'syslog_appname_preset=app',
    'mode=tls',
    'syslog_framing=octet_counting',
  ],
}

for (const name of ['tcp', 'gelf', 'syslog'] as const)
  for (const version of ['-tls1_2', '-tls1_3'])
    testWith('openssl')(
      `${name}: a server of OpenSSL (${version}) gets each line once, in order`,
      async () => {
        const { server, port, ca } = await opensslServer(version)
        const lines = Array.from({ length: LINES }, (_, n) => `line ${n} with "quotes" and ä`)
        await ship(lines, name, [`port=${port}`, `tls.ca_file=${ca}`, ...OPTIONS[name]])
        const isComplete = (): boolean => server.stdoutBytes.includes(`line ${LINES - 1} with`)
        await until(isComplete, { what: () => `${server.stdoutBytes.length} bytes; ${server.stderr}` })
        expect(textsOf[name](server.stdoutBytes)).toEqual(lines)
      },
    )
