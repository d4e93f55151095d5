import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { assault, GRACE_S, KINDS, type Report } from '../support/hostile/attacked-agent.ts'

/** Each attacker alone, and all together; `SHIPPER_HOSTILE_S` sets both. */
const ALONE_S = Number(process.env.SHIPPER_HOSTILE_S ?? 10)
const TOGETHER_S = Number(process.env.SHIPPER_HOSTILE_S ?? 60)
const MAX_DELAY_MS = 2000
/** The memory limits of what is shipped. Senders reach only an aggregator, which the unit runs. */
const UNIT_BYTES = limitIn('systemd/shipper.service', /^MemoryMax=(\d+)M$/m)
const DAEMON_SET_BYTES = limitIn('kubernetes/daemon-set.yaml', /^ +limits:\n +memory: (\d+)Mi$/m)

function limitIn(file: string, form: RegExp): number {
  const text = readFileSync(join(import.meta.dirname, '../../conf', file), 'utf8')
  return Number(form.exec(text)?.[1]) * 2 ** 20
}

function check(name: string, report: Report, maxBytes: number): void {
  const { stderr, attacks, ...numbers } = report
  console.log(
    `${name}: ${JSON.stringify({ ...numbers, peakBytes: undefined, peakMB: report.peakBytes / 1e6 })}`,
  )
  const log = process.env.SHIPPER_HOSTILE_LOG
  if (log !== undefined) writeFileSync(`${log}-${name}.log`, `${JSON.stringify(attacks)}\n${stderr}`)
  expect(report.maxMs).toBeLessThan(MAX_DELAY_MS)
  expect(report.peakBytes).toBeLessThan(maxBytes)
  expect({ arrived: report.arrived, duplicates: report.duplicates }).toEqual({
    arrived: report.written,
    duplicates: 0,
  })
  expect(report.stopMs).toBeLessThan((GRACE_S + 2) * 1000)
  expect(report.status).toBe(0)
}

for (const kind of KINDS)
  test(`a hostile ${kind} alone delays no line of a quiet log by 2 s`, async () => {
    check(
      kind,
      await assault({ kinds: [kind], seconds: ALONE_S }),
      kind === 'sender' ? UNIT_BYTES : DAEMON_SET_BYTES,
    )
  }, 900_000)

test('all that reach a DaemonSet together delay no line of a quiet log by 2 s', async () => {
  const kinds = KINDS.filter((kind) => kind !== 'sender')
  check('all but senders', await assault({ kinds, seconds: TOGETHER_S }), DAEMON_SET_BYTES)
}, 900_000)

test('all of them together delay no line of a quiet log by 2 s', async () => {
  check('all', await assault({ kinds: KINDS, seconds: TOGETHER_S }), UNIT_BYTES)
}, 900_000)
