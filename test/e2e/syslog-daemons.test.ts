import { describe, expect } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../support/ports.ts'
import { type Running, start } from '../support/process.ts'
import { startRsyslog, startSyslogNg, testWithRsyslog, testWithSyslogNg } from '../support/syslog-daemons.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const LINES = 5000
/** As many as the smallest receive buffer holds while the agent does not run. */
const DATAGRAMS = 200

/** How a daemon sends: the options of the input, and what the daemon is told, with the port. */
type Way = [name: string, options: string[], send: (port: number, socket: string) => string]

const forward = (port: number, rest: string): string =>
  `*.* action(type="omfwd" target="127.0.0.1" port="${port}" ${rest})`

const RSYSLOG: Way[] = [
  ['over TCP, in the format of RFC 3164', ['mode=tcp'], (port) => forward(port, 'protocol="tcp"')],
  [
    'over TCP with octet counting, in the format of RFC 5424',
    ['mode=tcp'],
    (port) =>
      forward(port, 'protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"'),
  ],
  [
    'over UDP, in the format of RFC 5424',
    ['mode=udp'],
    (port) => forward(port, 'protocol="udp" template="RSYSLOG_SyslogProtocol23Format"'),
  ],
  [
    'to a Unix socket, with its host name',
    ['mode=unix_udp', 'parser=syslog-rfc3164'],
    (_, socket) => `$ModLoad omuxsock\n$OMUxSockSocket ${socket}\n*.* :omuxsock:`,
  ],
]

const SYSLOG_NG: Way[] = [
  [
    'over TCP, in the format of RFC 3164',
    ['mode=tcp'],
    (port) => `network("127.0.0.1" port(${port}) transport("tcp"));`,
  ],
  [
    'over TCP with octet counting, in the format of RFC 5424',
    ['mode=tcp'],
    (port) => `syslog("127.0.0.1" port(${port}) transport("tcp"));`,
  ],
  [
    'over UDP, in the format of RFC 3164',
    ['mode=udp'],
    (port) => `network("127.0.0.1" port(${port}) transport("udp"));`,
  ],
  [
    'to a Unix socket, over connections, with its host name',
    ['mode=unix_tcp', 'parser=syslog-rfc3164'],
    (_, socket) => `unix-stream("${socket}");`,
  ],
  [
    'to a Unix socket, with its host name',
    ['mode=unix_udp', 'parser=syslog-rfc3164'],
    (_, socket) => `unix-dgram("${socket}");`,
  ],
]

/** Runs the agent, and the daemon with a file of lines; expects each line once, in order, parsed. */
async function expectAll(
  options: string[],
  startDaemon: (file: string, port: number, socket: string) => Running,
): Promise<void> {
  const dir = tmp()
  const file = join(dir, 'lines')
  const count = options.includes('mode=udp') ? DATAGRAMS : LINES
  writeFileSync(file, Array.from({ length: count }, (_, n) => `line ${n} of "the" [file] ä\n`).join(''))
  const [port = 0] = await freePorts(1)
  const socket = join(dir, 'log.sock')
  const where = options[0]?.startsWith('mode=unix') === true ? `path=${socket}` : `port=${port}`
  const input = [...options, where].flatMap((text) => ['-p', text])
  const output = ['-o', 'file', '-p', `path=${dir}`, '-p', 'file=out', '-p', 'format=plain', '-m', '*']
  const agent = start(['-i', 'syslog', ...input, ...output, '-f', '0.1'])
  await until(() => agent.stderr.includes('listening on'))
  const daemon = startDaemon(file, port, socket)
  const records = (): Record<string, string>[] => {
    try {
      const lines = readFileSync(join(dir, 'out'), 'utf8').split('\n').slice(0, -1)
      return lines.map((line) => JSON.parse(line) as Record<string, string>)
    } catch {
      return []
    }
  }
  // A daemon may send messages of its own.
  const own = (): Record<string, string>[] =>
    records().filter(({ message }) => message?.includes('line ') === true)
  await until(() => own().length >= count, { what: () => `${own().length} ${daemon.stderr} ${agent.stderr}` })
  await daemon.stop()
  await agent.stop()
  const found = own()
  expect(found.map(({ message }) => message?.trim())).toEqual(
    Array.from({ length: count }, (_, n) => `line ${n} of "the" [file] ä`),
  )
  // local3.warning
  expect(new Set(found.map(({ pri, ident }) => `${pri} ${ident}`))).toEqual(new Set(['156 app']))
  expect(agent.stderr).not.toContain('datagrams were lost')
}

describe('the input syslog gets each line once, in order and parsed', () => {
  for (const [name, options, send] of RSYSLOG)
    testWithRsyslog(
      `of rsyslog, ${name}`,
      () => expectAll(options, (file, port, socket) => startRsyslog(file, send(port, socket))),
      120_000,
    )
  for (const [name, options, send] of SYSLOG_NG)
    testWithSyslogNg(
      `of syslog-ng, ${name}`,
      () => expectAll(options, (file, port, socket) => startSyslogNg(file, send(port, socket))),
      120_000,
    )
})
