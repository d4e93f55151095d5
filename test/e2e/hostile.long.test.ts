import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { assault, GRACE_S, KINDS, type Report } from '../support/hostile/attacked-agent.ts'

/** Each attacker alone, and all together; `SHIPPER_HOSTILE_S` sets both. */
const ALONE_S = Number(process.env.SHIPPER_HOSTILE_S ?? 10)
const TOGETHER_S = Number(process.env.SHIPPER_HOSTILE_S ?? 60)
const MAX_DELAY_MS = 2000
/** The memory limit of the DaemonSet, 192Mi, which is less than that of the unit. */
const MAX_BYTES = 192 * 2 ** 20

function check(name: string, report: Report): void {
  const { stderr, attacks, ...numbers } = report
  console.log(
    `${name}: ${JSON.stringify({ ...numbers, peakBytes: undefined, peakMB: report.peakBytes / 1e6 })}`,
  )
  const log = process.env.SHIPPER_HOSTILE_LOG
  if (log !== undefined) writeFileSync(`${log}-${name}.log`, `${JSON.stringify(attacks)}\n${stderr}`)
  expect(report.maxMs).toBeLessThan(MAX_DELAY_MS)
  expect(report.peakBytes).toBeLessThan(MAX_BYTES)
  expect({ arrived: report.arrived, duplicates: report.duplicates }).toEqual({
    arrived: report.written,
    duplicates: 0,
  })
  expect(report.stopMs).toBeLessThan((GRACE_S + 2) * 1000)
  expect(report.status).toBe(0)
}

for (const kind of KINDS)
  test(`a hostile ${kind} alone delays no line of a quiet log by 2 s`, async () => {
    check(kind, await assault({ kinds: [kind], seconds: ALONE_S }))
  }, 900_000)

test('all of them together delay no line of a quiet log by 2 s', async () => {
  check('all', await assault({ kinds: KINDS, seconds: TOGETHER_S }))
}, 900_000)
