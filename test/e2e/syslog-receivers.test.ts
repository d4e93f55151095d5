import { describe, expect } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Authority } from '../support/certs.ts'
import { freePorts, isListening } from '../support/ports.ts'
import { type Running, run } from '../support/process.ts'
import {
  type Listening,
  receiveByRsyslog,
  receiveBySyslogNg,
  testWithRsyslog,
  testWithRsyslogTls,
  testWithSyslogNg,
} from '../support/syslog-daemons.ts'
import { tmp } from '../support/tmp.ts'
import { until } from '../support/until.ts'

const LINES = 5000
/** As many as the smallest receive buffer holds. */
const DATAGRAMS = 200

type Receive = (file: string, listening: Listening) => Running
type Way = Pick<Listening, 'mode' | 'framing' | 'format'>

/** Datagrams need no frames. */
const WAYS: Way[] = (['rfc5424', 'rfc3164'] as const).flatMap((format) => [
  { mode: 'udp', framing: 'newline', format } as const,
  ...(['tcp', 'tls'] as const).flatMap((mode) =>
    (['newline', 'octet_counting'] as const).map((framing) => ({ mode, framing, format })),
  ),
])

function nameOf({ mode, framing, format }: Way): string {
  return mode === 'udp' ? `${format} over udp` : `${format} over ${mode}, ${framing}`
}

/** Sends lines by the output syslog; checks that the daemon has each of them once, in their order. */
async function sendsAll(receive: Receive, way: Way): Promise<void> {
  const dir = tmp()
  const [port = 0] = await freePorts(1)
  const [input, output, ca, cert, key] = ['in.log', 'out.log', 'ca.pem', 's.pem', 's.key'].map((name) =>
    join(dir, name),
  ) as [string, string, string, string, string]
  const authority = new Authority()
  const pair = authority.issue('s', ['127.0.0.1'])
  writeFileSync(ca, authority.cert)
  writeFileSync(cert, pair.cert)
  writeFileSync(key, pair.key)
  const { mode, framing, format } = way
  const daemon = receive(output, { ...way, port, cert, key })
  const protocol = mode === 'udp' ? 'udp' : 'tcp'
  await until(() => daemon.exit !== undefined || isListening(port, protocol), { what: () => daemon.stderr })
  expect(daemon.exit === undefined ? '' : daemon.stderr).toBe('')
  const count = mode === 'udp' ? DATAGRAMS : LINES
  const lines = Array.from({ length: count }, (_, i) => `line ${i} with "quotes", [brackets] and ä`)
  writeFileSync(input, `${lines.join('\n')}\n`)
  const parameters = (values: string[]): string[] => values.flatMap((value) => ['-p', value])
  const framed = mode === 'udp' ? [] : [`syslog_framing=${framing}`]
  const secured = mode === 'tls' ? [`tls.ca_file=${ca}`] : []
  const exit = await run([
    ...['-i', 'tail', ...parameters([`path=${input}`, 'read_from_head=on', 'exit_on_eof=on'])],
    ...['-o', 'syslog', ...parameters(['host=127.0.0.1', `port=${port}`, `mode=${mode}`])],
    ...parameters([`syslog_format=${format}`, 'syslog_message_key=log', 'syslog_appname_preset=app']),
    ...parameters([...framed, ...secured]),
  ])
  const sent = expect.stringContaining(`${count.toLocaleString('en-US')} records sent`)
  expect([exit.code, exit.stderr]).toEqual([0, sent])
  const got = (): string[] =>
    existsSync(output) ? readFileSync(output, 'utf8').split('\n').slice(0, -1) : []
  await until(() => got().length >= count, {
    what: () => `${got().length} of ${count} lines; ${daemon.stderr}`,
  })
  expect(got().map((line) => line.replace(/\ufeff|(?<=^app\|) /g, ''))).toEqual(
    lines.map((line) => `app|${line}`),
  )
}

describe('rsyslog gets each record of the output syslog once', () => {
  for (const way of WAYS) {
    const testWithDaemon = way.mode === 'tls' ? testWithRsyslogTls : testWithRsyslog
    testWithDaemon(nameOf(way), () => sendsAll(receiveByRsyslog, way))
  }
})

describe('syslog-ng gets each record of the output syslog once', () => {
  for (const way of WAYS) testWithSyslogNg(nameOf(way), () => sendsAll(receiveBySyslogNg, way))
})
