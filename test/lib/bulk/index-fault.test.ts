import { describe, expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { indexNameFault, recordsNameIndex } from '../../../src/lib/bulk/index-fault.ts'
import { BULK_OPTIONS } from '../../../src/lib/bulk/options.ts'
import { spec } from '../../../src/plugins/outputs/es/index.ts'
import { listLog } from '../../support/engine/chunks.ts'
import { outputContext } from '../../support/engine/output-context.ts'

const faultOf = (options: Record<string, string>) => indexNameFault(parseOptions(BULK_OPTIONS, options))

/** The rules of the create index API of Elasticsearch. */
describe('a name of an index is refused by the server', () => {
  test.each([
    [{ index: 'Foo_BAR' }, 'has capital letters'],
    [{ index: 'foo bar' }, 'has the character " "'],
    [{ index: 'a:b' }, 'has the character ":"'],
    [{ index: 'a-%A' }, 'has capital letters'],
    [{ index: '_foo' }, 'begins with "_"'],
    [{ index: "Logs-$kubernetes['namespace_name']" }, 'has capital letters'],
    [{ logstash_format: 'on', logstash_prefix: 'Kube' }, 'has capital letters'],
    [{ logstash_format: 'on', logstash_dateformat: '%d %b' }, 'has capital letters'],
    [
      { logstash_format: 'on', logstash_prefix_key: 'app', logstash_prefix_separator: '/' },
      'has the character "/"',
    ],
  ])('%j', (options, fault) => {
    expect(faultOf(options as unknown as Record<string, string>)).toContain(fault)
  })

  test.each([
    {},
    { index: 'foo-%Y.%m.%d' },
    { index: '$TAG-x' },
    { index: '$app' },
    { index: '<Logs-{now/d}>' },
    { logstash_format: 'on' },
    { index: 'Unused', logstash_format: 'on' },
    { logstash_format: 'on', logstash_prefix: 'Unused', logstash_prefix_key: 'app' },
  ])('and not: %j', (options) => {
    expect(faultOf(options as Record<string, string>)).toBeUndefined()
  })
})

test('records name the index with a field in a name that is good otherwise', () => {
  const of = (index: string) => recordsNameIndex(parseOptions(BULK_OPTIONS, { index }))
  expect(['$app', 'x-$app', '$TAG', 'x-%Y', 'X-$app'].map(of)).toEqual([true, true, false, false, false])
})

test('a name that the server refuses is a warning of a check and of a start', () => {
  const { log, lines } = listLog()
  spec.create(parseOptions(spec.options, { index: 'Foo_BAR' }), outputContext({ log }))
  expect(lines).toEqual([
    'warn the name of the index "Foo_BAR" has capital letters: Elasticsearch and OpenSearch refuse it, and the records wait',
  ])
})

test('a name with directives of time is shown as it is configured', () => {
  expect(faultOf({ index: 'Foo-%Y' })).toBe('"Foo-%Y" has capital letters')
  expect(faultOf({ logstash_format: 'on', logstash_prefix: 'Foo' })).toBe(
    '"Foo-%Y.%m.%d" has capital letters',
  )
})

test('a Type alone is a warning of a check and of a start, one that Suppress_Type_Name decides is not', () => {
  const linesOf = (texts: Record<string, string>): string[] => {
    const { log, lines } = listLog()
    spec.create(parseOptions(spec.options, texts), outputContext({ log }))
    return lines
  }
  expect(linesOf({ type: '_doc' })).toEqual([
    'warn Type is sent as `_type`, which Elasticsearch 8 and OpenSearch 2 refuse: remove Type; for an older server, set Suppress_Type_Name off',
  ])
  expect(linesOf({ type: '_doc', suppress_type_name: 'on' })).toEqual([])
  expect(linesOf({ type: '_doc', suppress_type_name: 'off' })).toEqual([])
})
