import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../scripts/bootstrap.mjs'
import { withoutWatchdog } from '../../scripts/node-unit.ts'

const UNIT = readFileSync(join(ROOT, 'conf/systemd/shipper.service'), 'utf8')

test('the unit of the node variant differs from that of the binary in the watchdog only', () => {
  const lines = withoutWatchdog(UNIT).split('\n')
  const settings = (line: string): boolean => line !== '' && !line.startsWith('#')
  const left = UNIT.split('\n').filter((line) => settings(line) && !lines.includes(line))
  expect(left).toEqual(['NotifyAccess=main', 'WatchdogSec=30'])
  expect(lines.filter((line) => !UNIT.split('\n').includes(line))).toEqual([])
  expect(lines.join('\n')).not.toContain('atchdog')
})

test('a unit without a watchdog is an error, so that the two cannot drift apart', () => {
  expect(() => withoutWatchdog('[Service]\nType=exec\n')).toThrow('the unit has no watchdog')
})
