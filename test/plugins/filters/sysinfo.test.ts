import { expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { spec } from '../../../src/plugins/filters/sysinfo.ts'
import { filterContract } from '../../contract/filter.ts'
import { FilterRun } from '../../support/engine/filter-run.ts'

const uname = (flag: string): string => execFileSync('uname', [flag], { encoding: 'utf8' }).trim()

filterContract({
  name: 'sysinfo',
  create: ({ buffers }) => new FilterRun(spec as never, { hostname_key: 'mark' }, { buffers }).filter,
  expected: ({ mark: _mark, ...others }) => others,
  added: { mark: 'host-1' },
})

test('sysinfo adds the keys that are set, in the order of fluent-bit, with what uname prints', () => {
  const keys = { kernel_version_key: 'kv', os_version_key: 'ov', hostname_key: 'h', os_name_key: 'o' }
  const [record = {}] = new FilterRun(spec as never, { ...keys, fluentbit_version_key: 'v' }).through([
    { a: 1, o: 2 },
  ])
  expect(Object.entries(record)).toEqual([
    ['a', 1],
    ['v', '1.2.3'],
    ['o', 'linux'],
    ['h', 'host-1'],
    ['ov', uname('-v')],
    ['kv', uname('-r')],
  ])
})

test('sysinfo without a key warns that it has no effect', () => {
  expect(new FilterRun(spec as never, {}).lines).toEqual([
    'warn no key is set, so the filter has no effect: set e.g. Hostname_key to the key that it is to add',
  ])
  expect(new FilterRun(spec as never, { hostname_key: 'h' }).lines).toEqual([])
})

test('sysinfo without a key changes nothing, and of two values for one key the later is added', () => {
  expect(new FilterRun(spec as never, {}).through([{ a: 1 }])).toEqual([{ a: 1 }])
  const both = { os_name_key: 'x', hostname_key: 'x' }
  expect(new FilterRun(spec as never, both).through([{ a: 1 }])).toEqual([{ a: 1, x: 'host-1' }])
})
