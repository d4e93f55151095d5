import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { machineMatch, matchArgs, sourceArgs } from '../../../../src/plugins/inputs/systemd/journalctl.ts'
import { tmp } from '../../../support/tmp.ts'

const ID = '0123456789abcdef0123456789abcdef'

test('every call merges all boots, and passes the directory', () => {
  expect(sourceArgs(undefined)).toContain('--merge')
  expect(sourceArgs('/j')).toEqual([...sourceArgs(undefined), '--directory=/j'])
})

test('only entries of this machine are read from the default journal, if the machine has an id', () => {
  const file = join(tmp(), 'machine-id')
  expect(machineMatch(undefined, file)).toEqual([])
  writeFileSync(file, `${ID}\n`)
  expect(machineMatch(undefined, file)).toEqual([`_MACHINE_ID=${ID}`])
  expect(machineMatch('/j', file)).toEqual([])
  writeFileSync(file, 'uninitialized\n')
  expect(machineMatch(undefined, file)).toEqual([])
})

test('filters are joined by plus when any of them may match', () => {
  const args = (systemdFilter: string[], systemdFilterType: 'or' | 'and') =>
    matchArgs({ path: '/j', systemdFilter, systemdFilterType })
  expect(args([], 'or')).toEqual([])
  expect(args(['A=1', 'B=2'], 'or')).toEqual(['A=1', '+', 'B=2'])
  expect(args(['A=1', 'B=2'], 'and')).toEqual(['A=1', 'B=2'])
})
