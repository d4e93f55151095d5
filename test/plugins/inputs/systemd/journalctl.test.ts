import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { machineMatch, matches, sourceArgs } from '../../../../src/plugins/inputs/systemd/journalctl.ts'
import { tmp } from '../../../support/tmp.ts'

const ID = '0123456789abcdef0123456789abcdef'

test('every call merges all boots, and a folder is named', () => {
  expect(sourceArgs(undefined)).toContain('--merge')
  expect(sourceArgs('/j')).toEqual([...sourceArgs(undefined), '--directory=/j'])
})

test('of the default journal only the entries of this machine are read, where it has an id', () => {
  const file = join(tmp(), 'machine-id')
  expect(machineMatch(undefined, file)).toEqual([])
  writeFileSync(file, `${ID}\n`)
  expect(machineMatch(undefined, file)).toEqual([`_MACHINE_ID=${ID}`])
  expect(machineMatch('/j', file)).toEqual([])
  writeFileSync(file, 'uninitialized\n')
  expect(machineMatch(undefined, file)).toEqual([])
})

test('filters are joined by plus when one is enough', () => {
  const of = (systemdFilter: string[], systemdFilterType: 'or' | 'and') =>
    matches({ path: '/j', systemdFilter, systemdFilterType })
  expect(of([], 'or')).toEqual([])
  expect(of(['A=1', 'B=2'], 'or')).toEqual(['A=1', '+', 'B=2'])
  expect(of(['A=1', 'B=2'], 'and')).toEqual(['A=1', 'B=2'])
})
