import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadPlan } from '../../../src/config/load.ts'
import { formatLocation } from '../../../src/core/error.ts'
import { registry } from '../../../src/registry.ts'
import { folderOf, shipper } from '../../support/cli.ts'
import { tmp } from '../../support/tmp.ts'
import { translated } from './reading.ts'

const NULL = '@type null'
const section = (head: string, ...lines: string[]): string =>
  `<${head}>\n${lines.join('\n')}\n</${head.split(' ')[0]}>\n`

describe('the steps of a file', () => {
  test('are its filters and matches in their order, with all patterns', () => {
    const { steps, reported } = translated(
      section('match a.{b,c} d', NULL) +
        section('filter **', '@type record_transformer') +
        section('match', '@type stdout') +
        section('filter late', '@type record_transformer'),
    )
    expect(reported).toEqual([])
    expect(steps['']).toEqual([
      'a.{b,c} d -> output null',
      '** -> filter record_transformer',
      '** -> output stdout',
      'late -> filter record_transformer',
    ])
  })

  test('are kept by label; relabel leads to one, copy to several', () => {
    const { steps, reported } = translated(
      section(
        'match **',
        '@type copy',
        section('store', '@type relabel', '@label @A'),
        section('store ignore_error', NULL),
        section('store', '@type copy', section('store', '@type stdout')),
      ) + section('label @A', section('filter x', '@type record_transformer'), section('match **', NULL)),
    )
    expect(reported).toEqual([])
    expect(steps).toEqual({
      '': ['** -> @A, output null, output stdout'],
      '@A': ['x -> filter record_transformer', '** -> output null'],
    })
  })

  test('of a label that is used and not there are a problem, with the nearest name', () => {
    const { reported } = translated(
      section('source', '@type forward', '@label @APPS') +
        section('match', '@type relabel', '@label @none') +
        section('label @APP', section('match', NULL)),
    )
    expect(reported).toEqual([
      'f.conf:7:8: there is no label @none',
      'f.conf:1:1: there is no label @APPS (did you mean @APP?)',
    ])
  })

  test('for the own log of fluentd are kept for senders, and those of its label have no effect', () => {
    const { steps, warnings, notes } = translated(
      section('match fluent.**', NULL) + section('label @FLUENT_LOG', section('match', '@type slack')),
    )
    expect(steps['']).toEqual(['fluent.** -> output null'])
    expect(steps['@FLUENT_LOG']).toBeUndefined()
    expect(warnings[0]).toContain('<label @FLUENT_LOG> has no effect')
    expect(notes[0]).toContain('own log')
  })

  test('of @ERROR stay, and what comes to them is said', () => {
    const error = section('label @ERROR', section('match', NULL))
    const none = translated(error)
    expect(none.steps['@ERROR']).toEqual(['** -> output null'])
    expect(none.warnings[0]).toStartWith('f.conf:1:1: <label @ERROR> gets no records: ')
    expect(none.warnings[0]).toContain('dead letters')
    const ruby = section('filter', '@type record_transformer', 'enable_ruby true')
    const joined = section('filter', '@type concat', 'key m')
    const both = translated(error + ruby + joined)
    expect(both.warnings).toEqual([])
    expect(both.notes.join('\n')).toContain(
      '<label @ERROR> gets records on which an expression of record_transformer fails, and groups of concat without timeout_label that are not complete',
    )
    const parser = section('filter', '@type parser', 'key_name log', 'reserve_data true')
    const withParse = parser.replace('key_name', '<parse>\n@type json\n</parse>\nkey_name')
    const unread = translated(error + withParse)
    expect(unread.warnings).toEqual([])
    expect(unread.notes.join('\n')).toContain('<label @ERROR> gets records that a filter parser cannot read')
    const plain = section('filter', '@type record_transformer')
    const withLabel = section('filter', '@type concat', 'key m', 'timeout_label @ERROR')
    expect(translated(error + plain + withLabel).warnings[0]).toContain('gets no records')
  })

  test('have patterns that are checked, also expressions', () => {
    const { reported } = translated(
      section('match /^a\\.\\d+$/', NULL) + section('filter /x', '@type grep') + section('match  /(/', NULL),
    )
    expect(reported.map((line) => line.split(': ')[0])).toEqual(['f.conf:4:9', 'f.conf:7:9'])
  })

  test('outside of labels are those of @ROOT', () => {
    const { steps, sections, reported } = translated(
      section('source', '@type forward', '@label @ROOT') +
        section('label @A', section('match', '@type relabel', '@label @ROOT')),
    )
    expect(reported).toEqual([])
    expect(sections[0]?.label).toBeUndefined()
    expect(steps['@A']).toEqual(['** -> '])
  })

  test('of workers are those of the file', () => {
    const { steps } = translated(section('worker 0', section('match a', NULL)) + section('match b', NULL))
    expect(steps['']).toEqual(['b -> output null', 'a -> output null'])
  })
})

describe('included files', () => {
  test('are relative to the file that names them, in order of their names, and may be parts of a section', () => {
    const { steps, sections, reported } = translated(
      `@include conf.d/*.conf\n${section('match b', '@type stdout', '@include conf.d/buffer')}`,
      {
        files: {
          'conf.d/2.conf': section('match two', NULL),
          'conf.d/1.conf': `${section('match one', NULL)}@include sub/x.conf\n`,
          'conf.d/sub/x.conf': section('match x', NULL),
          'conf.d/buffer': section('buffer', 'flush_interval 2s'),
        },
      },
    )
    expect(reported).toEqual([])
    expect(steps['']).toEqual([
      'one -> output null',
      'x -> output null',
      'two -> output null',
      'b -> output stdout',
    ])
    expect(sections.find(({ kind }) => kind === 'SERVICE')?.options).toEqual(['Flush 2s'])
  })

  test('may be included twice, but not in themselves', () => {
    const { reported, steps } = translated('include x.conf\n@include x.conf\n', {
      files: { 'x.conf': `${section('match x', NULL)}@include f.conf\n` },
    })
    expect(steps['']).toEqual(['x -> output null', 'x -> output null'])
    expect(reported).toEqual(['x.conf:4:10: f.conf includes itself', 'x.conf:4:10: f.conf includes itself'])
  })

  test('that include each other twice each end at a thousand', () => {
    const files = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [`${i}.conf`, `@include ${i + 1}.conf\n@include ${i + 1}.conf\n`]),
    )
    files['30.conf'] = ''
    const { reported } = translated('@include 0.conf\n', { files })
    expect(reported.filter((line) => line.includes('more than 1000 files'))).toHaveLength(1)
  })

  test('that are missing, not text or on the network are reported at their place', () => {
    const { reported, warnings } = translated(
      '@include no.conf\n@include no/*.conf\n@include http://user:pw@example.com/a.conf\n@include bin\n',
      { files: { bin: 'a\0b' } },
    )
    expect(reported[0]).toStartWith('f.conf:1:10: cannot read no.conf')
    expect(warnings).toEqual(['f.conf:2:10: no file matches no/*.conf'])
    expect(reported[1]).toBe(
      'f.conf:3:10: cannot include http://******@example.com/a.conf: files are not read from the network',
    )
    expect(reported[2]).toBe('f.conf:4:10: cannot read bin: it is not text')
  })
})

describe('a plan', () => {
  async function load(text: string, name = 'f.conf') {
    const file = join(tmp(), name)
    writeFileSync(file, text)
    return loadPlan({ file, flags: undefined, registry, env: {} })
  }

  test('has the order of the file, with the plans of its sections, and the label of an input', async () => {
    const { plan, problems } = await load(
      section('source', '@type forward', '@label @A') +
        section('source', '@type sample', 'tag s') +
        section(
          'label @A',
          section('filter a.*', '@type grep', 'regexp1 a b'),
          section('match **', '@id out', '@type stdout'),
        ) +
        section('match s', '@type relabel', '@label @A'),
    )
    expect(problems).toEqual([])
    expect(plan?.inputs.map(({ name, label }) => [name, label])).toEqual([
      ['forward.0', '@A'],
      ['dummy.0', undefined],
    ])
    const [first, second] = plan?.routing?.labels.get('@A') ?? []
    expect(first).toMatchObject({ patterns: ['a.*'], filter: plan?.filters[0] })
    expect(second).toMatchObject({ patterns: ['**'], targets: [{ output: plan?.outputs[0] }] })
    expect(plan?.outputs[0]?.name).toBe('out')
    expect(plan?.routing?.labels.get('')).toMatchObject([{ patterns: ['s'], targets: [{ label: '@A' }] }])
  })

  test('leaves placeholders of fluentd alone that look like variables', async () => {
    const { plan, warnings } = await load(
      section('source', '@type sample', 'tag s', 'sample {"message":"${tag}"}') + section('match', NULL),
    )
    expect(plan?.inputs[0]?.options).toMatchObject({ dummy: '{"message":"${tag}"}' })
    expect(warnings).toEqual([])
  })

  test('reports all that has no counterpart at once, each plugin once with its places, and nothing that follows from it', async () => {
    const { problems, missing, notes } = await load(
      section('source', '@type kafka') +
        section(
          'match a',
          '@type copy',
          section('store', '@type bigquery'),
          section('store', '@type bigquery'),
        ) +
        section('match b', '@type file', 'path /a', 'compress gzip'),
    )
    const found = problems.map(({ location, message }) => [
      formatLocation(location).split('/').at(-1),
      message,
    ])
    expect(found).toEqual([
      ['f.conf:2:7', 'unknown input "kafka": fluentd has it, shipper does not'],
      ['f.conf:7:7', 'unknown output "bigquery": fluentd has it, shipper does not (also at line 11)'],
      ['f.conf:18:10', '[file] compressed files are not supported'],
    ])
    expect(missing.map(({ kind, name, places }) => [kind, name, places.length])).toEqual([
      ['input', 'kafka', 1],
      ['output', 'bigquery', 2],
    ])
    expect(notes?.length).toBeGreaterThan(0)
  })

  test('is not made from a binary file, an empty section or an unknown one', async () => {
    expect((await load('<a\0>\n')).problems[0]?.code).toBe('E_CONFIG_UNREADABLE')
    const { problems } = await load('<mtach a>\n@type null\n</mtach>\n<source>\n</source>\n')
    expect(problems.map(({ message }) => message)).toEqual([
      'unknown section <mtach> (did you mean match?)',
      '[source] "@type" is missing',
    ])
  })
})

test('a label that is not there is one problem', async () => {
  const source = '<source>\n  @type forward\n  bind 127.0.0.1\n  @label @X\n</source>\n'
  const cwd = folderOf({ 'a.conf': `${source}<match **>\n  @type stdout\n</match>\n` })
  const { code, stderr } = await shipper(['-D', '-c', 'a.conf'], { cwd })
  expect(code).toBe(1)
  expect(stderr).toBe(
    'a.conf:1:1: there is no label @X; add <label @X>\nshipper: 1 problem in the configuration\n',
  )
})

test('more copies within each other than are read are named as that', async () => {
  const copies = 40
  const text = `<match **>\n@type copy\n${'<store>\n@type copy\n'.repeat(copies)}<store>\n@type stdout\n</store>\n${'</store>\n'.repeat(copies)}</match>\n`
  const cwd = folderOf({ 'a.conf': text })
  const { stderr } = await shipper(['-D', '-c', 'a.conf'], { cwd })
  expect(stderr).toMatch(
    /\[copy\] more than \d+ copies are within each other; put the stores into one <match>/,
  )
  expect(stderr).not.toContain('unknown output')
})
