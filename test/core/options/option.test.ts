import { expect, test } from 'bun:test'
import { FILTER_OPTIONS, INPUT_OPTIONS, OUTPUT_OPTIONS } from '../../../src/core/options/common.ts'
import { camelName, defineOptions, type OptionsOf } from '../../../src/core/options/option.ts'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { SERVICE_OPTIONS } from '../../../src/core/options/service.ts'

const table = defineOptions({
  'db.journal_mode': { type: 'enum', values: ['WAL', 'OFF'], default: 'WAL', help: '' },
  refresh_interval: { type: 'time', default: '60', help: '' },
  limit: { type: 'size', help: '' },
  port: { type: 'int', required: true, help: '' },
  ratio: { type: 'double', default: '1', help: '' },
  exit_on_eof: { type: 'bool', default: 'off', help: '' },
  path: { type: 'clist', required: true, repeat: true, help: '' },
  record: { type: 'slist', words: 2, repeat: true, help: '' },
  key: { type: 'string', help: '' },
  mode: { type: 'enum', values: ['a', 'b'], help: '' },
})

interface Expected {
  dbJournalMode: 'WAL' | 'OFF'
  refreshInterval: number
  limit: number | undefined
  port: number
  ratio: number
  exitOnEof: boolean
  path: string[][]
  record: string[][]
  key: string | undefined
  mode: 'a' | 'b' | undefined
}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

// Checked by the compiler: the line is an error when the types differ in either direction.
const same: Same<OptionsOf<typeof table>, Expected> = true

const parsed = parseOptions(table, { port: '1', path: 'a' })

test('the parsed options have the names and types of the table', () => {
  expect(same).toBe(true)
  expect(Object.keys(parsed).sort()).toEqual([
    'dbJournalMode',
    'exitOnEof',
    'key',
    'limit',
    'mode',
    'path',
    'port',
    'ratio',
    'record',
    'refreshInterval',
  ])
})

test('the compiler rejects names and values that are not in the table', () => {
  // @ts-expect-error an option without a default may be absent
  const key: string = parsed.key
  // @ts-expect-error only the values of the table
  const mode: 'WAL' | 'MEMORY' = parsed.dbJournalMode
  // @ts-expect-error a repeated list is a list of lists
  const path: string[] = parsed.path
  // @ts-expect-error the name is in camel case
  const old: number = parsed.refresh_interval
  // @ts-expect-error not in the table
  const none: unknown = parsed.nothing
  // @ts-expect-error there is no such type
  defineOptions({ a: { type: 'float', help: '' } })
  // @ts-expect-error the help text is the documentation
  defineOptions({ a: { type: 'int' } })
  // @ts-expect-error a default is written as a user would write it
  defineOptions({ a: { type: 'int', default: 5, help: '' } })
  expect([key, mode, path, old, none]).toEqual([undefined, 'WAL', [['a']], undefined, undefined] as unknown[])
})

test('names are converted to camel case at each _ and dot', () => {
  expect(['db', 'db.sync', 'mem_buf_limit', 'storage.pause_on_chunks_overlimit'].map(camelName)).toEqual([
    'db',
    'dbSync',
    'memBufLimit',
    'storagePauseOnChunksOverlimit',
  ])
})

test('the defaults of every common table are valid', () => {
  const service = parseOptions(SERVICE_OPTIONS, {})
  expect([service.flush, service.grace, service.memoryLimit, service.chunkSize]).toEqual([
    1000, 5, 16_000_000, 1_000_000,
  ])
  expect(parseOptions(INPUT_OPTIONS, {}).memBufLimit).toBe(0)
  expect(parseOptions(INPUT_OPTIONS, {}).routable).toBe(true)
  expect(parseOptions(OUTPUT_OPTIONS, {}).retryLimit).toBe('no_limits')
  expect(parseOptions(FILTER_OPTIONS, {}).match).toBeUndefined()
})
