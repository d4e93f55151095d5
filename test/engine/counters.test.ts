import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Counters } from '../../src/core/services.ts'
import { CounterMap } from '../../src/engine/counters.ts'
import { registry } from '../../src/registry.ts'

const TABLE = {
  opened: 'files',
  lost: { help: 'bytes', reasons: { cut: 'cut off', gone: 'deleted' } },
} as const

test('a counter with reasons has a count for each, from 0 on, and their sum under its name', () => {
  const counters: Counters<typeof TABLE> & CounterMap = new CounterMap(TABLE)
  counters.add('lost', 5, 'cut')
  counters.add('lost', 2, 'cut')
  counters.add('opened')
  expect(counters.snapshot()).toEqual({
    counters: { opened: 1, lost: 7 },
    counterReasons: { lost: { cut: 7, gone: 0 } },
    counterHelp: { opened: 'files', lost: 'bytes' },
  })
  expect([counters.get('lost'), counters.get('lost', 'cut'), counters.get('lost', 'gone')]).toEqual([7, 7, 0])
})

test('the type of a table rejects undeclared names, undeclared reasons and missing reasons', () => {
  const counters: Counters<typeof TABLE> = new CounterMap(TABLE)
  // @ts-expect-error
  counters.add('losst', 1)
  // @ts-expect-error
  counters.add('lost', 1, 'eaten')
  // @ts-expect-error
  counters.add('lost', 1)
  // @ts-expect-error
  counters.add('opened', 1, 'cut')
})

test('the sum over the reasons is the total even if a reason is missing', () => {
  const counters = new CounterMap(TABLE)
  counters.add('lost', 3)
  expect(counters.snapshot().counterReasons.lost).toEqual({ cut: 0, gone: 0, unknown: 3 })
})

test('every counter that is counted is declared in a spec', async () => {
  const declared = new Set<string>()
  for (const kind of ['input', 'filter', 'output', 'parser'] as const) {
    for (const name of registry.names(kind))
      for (const counter of Object.keys((await registry.find(kind, name))?.counters ?? {}))
        declared.add(counter)
  }
  const folder = join(import.meta.dir, '../../src/plugins')
  const counted = new Set<string>()
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    const source = readFileSync(join(folder, file), 'utf8')
    for (const [, name] of source.matchAll(/[cC]ounters\??\.add\(\s*'(\w+)'/g)) counted.add(name as string)
  }
  expect(counted.size).toBeGreaterThan(30)
  expect([...counted].filter((name) => !declared.has(name))).toEqual([])
})
