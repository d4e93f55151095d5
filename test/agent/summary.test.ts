import { expect, test } from 'bun:test'
import { fateOf, startLine, stopLine } from '../../src/agent/summary.ts'
import { loadPlan } from '../../src/config/load.ts'
import type { Plan } from '../../src/core/plan.ts'
import type { Assembly } from '../../src/engine/assembly.ts'
import { CounterMap } from '../../src/engine/counters.ts'
import { LINE_COUNTERS } from '../../src/lib/lines/host.ts'
import { LINE_SERVER_COUNTERS } from '../../src/lib/net/line-server.ts'
import { spec as docker } from '../../src/plugins/inputs/docker-events/index.ts'
import { spec as http } from '../../src/plugins/inputs/http/index.ts'
import { spec as kmsg } from '../../src/plugins/inputs/kmsg/index.ts'
import { spec as events } from '../../src/plugins/inputs/kubernetes-events/index.ts'
import { registry } from '../../src/registry.ts'
import { folderOf } from '../support/cli.ts'

async function lineOf(text: string): Promise<string> {
  const file = `${folderOf({ 'a.conf': text })}/a.conf`
  const { plan } = await loadPlan({ file, flags: undefined, registry, env: {} })
  return startLine(plan as Plan, [], '1')
}

test('the first line names inputs that other machines cannot reach because nothing says otherwise', async () => {
  const inputs =
    '[INPUT]\n    Name tcp\n[INPUT]\n    Name udp\n    Listen 127.0.0.1\n[INPUT]\n    Name syslog\n    Mode udp\n[INPUT]\n    Name cpu\n'
  const line = await lineOf(`${inputs}[OUTPUT]\n    Name null\n    Match *\n`)
  expect(line).toEndWith('; tcp.0, syslog.0 reachable from this machine only: set Listen to accept others')
  const set = await lineOf(
    '[INPUT]\n    Name http\n    Listen 127.0.0.1\n[OUTPUT]\n    Name null\n    Match *\n',
  )
  expect(set).toBe('shipper 1: http.0 127.0.0.1:9880 -> null.0')
})

test('what becomes of records depends on where the input can get them again', () => {
  const fate = (spec: unknown, db?: string): string =>
    fateOf({ inputs: [{ name: 'in', spec, options: { db } }] } as unknown as Plan, [{ name: 'in' }])
  for (const spec of [kmsg, events, docker])
    expect(fate(spec, 'x.db')).toBe('in reads them again after the next start')
  for (const spec of [kmsg, events])
    expect(fate(spec)).toBe('in has no DB: the next start reads again what its source has kept')
  expect(fate(docker)).toBe('in has no DB: the next start does not send them')
  expect(fate(http)).toContain('senders that wait for it send them again')
})

test('the last line of a run does not claim that all is acknowledged when senders were cut', () => {
  const counters = new CounterMap({ ...LINE_SERVER_COUNTERS, ...LINE_COUNTERS })
  const outputs = [{ name: 'tcp.0', procRecords: 1200, droppedRecords: 0, counters: {} }]
  const assembly = {
    inputs: [{ stage: { abortedRecords: 0 }, counters }],
    snapshot: () => ({ outputs, filters: [] }),
  } as unknown as Assembly
  const line = (): string => stopLine({ inputs: [], outputs: [] } as unknown as Plan, assembly, false)
  expect(line()).toBe('1,200 records sent, all acknowledged')
  counters.add('cut_connections', 3)
  expect(line()).toBe(
    '1,200 records sent, all of these acknowledged, what 3 connections sent last may be lost',
  )
  counters.add('lost_bytes', 4000, 'memory')
  expect(line()).toBe(
    '1,200 records sent, all of these acknowledged, 4,000 bytes from senders dropped at the memory limit, what 3 connections sent last may be lost',
  )
})

test('the last line of a run does not say that a peer has acknowledged what it never does', () => {
  const names = ['tcp.0', 'kafka.0']
  const line = (...used: string[]): string => {
    const outputs = used.map((name) => ({ name, procRecords: 7, droppedRecords: 0, counters: {} }))
    const assembly = { inputs: [], snapshot: () => ({ outputs, filters: [] }) } as unknown as Assembly
    const planned = used.map((name) => ({
      name,
      spec: name === 'tcp.0' ? { hasAcknowledgements: false } : {},
    }))
    return stopLine({ inputs: [], outputs: planned } as unknown as Plan, assembly, false)
  }
  expect(line('tcp.0')).toBe('7 records sent, without acknowledgements')
  expect(line('kafka.0')).toBe('7 records sent, all acknowledged')
  expect(line(...names)).toBe('tcp.0: 7 records sent (no acknowledgements); kafka.0: 7 records acknowledged')
})

test('the first line has the address of an output that derives it from other options', async () => {
  const id = `a:${Buffer.from('us-east-1.aws.found.io$abc123$').toString('base64')}`
  const outputs = [
    `Name es\n    Cloud_ID ${id}`,
    'Name s3\n    Bucket logs',
    'Name datadog\n    Apikey 12345678',
  ]
  const sections = outputs.map((text) => `[OUTPUT]\n    ${text}\n    Match *\n`).join('')
  expect(await lineOf(`[INPUT]\n    Name dummy\n${sections}`)).toBe(
    'shipper 1: dummy.0 -> es.0 abc123.us-east-1.aws.found.io:443, s3.0 logs.s3.us-east-1.amazonaws.com:443, datadog.0 http-intake.logs.datadoghq.com:443',
  )
})
