import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Running } from '../../support/process.ts'
import { tmp } from '../../support/tmp.ts'
import { load } from '../loading.ts'

const PIPELINE = 'pipeline:\n  inputs: [{name: clock}]\n  outputs: [{name: send, match: "*"}]\n'

describe('files', () => {
  test('are included in the order of the list, relative to the file that names them, by patterns too', async () => {
    const files = {
      'sub/b.yaml':
        'includes: [c.yaml, "[d]*.yaml"]\npipeline: {filters: [{name: keep, match: "*", alias: b}]}\n',
      'sub/c.yaml': 'pipeline: {filters: [{name: keep, match: "*", alias: c}]}\n',
      'sub/d.yaml': 'pipeline: {filters: [{name: keep, match: "*", alias: d}]}\n',
    }
    const { plan, reported } = await load(`includes: [sub/b.yaml]\n${PIPELINE}`, { files })
    expect(reported).toEqual([])
    expect(plan?.filters.map(({ name }) => name)).toEqual(['c', 'd', 'b'])
  })

  test('that include themselves or each other are a problem, and end', async () => {
    const files = { 'b.yaml': 'includes: [a.conf]\n' }
    const { reported } = await load(`includes: [b.yaml, a.conf]\n${PIPELINE}`, { files })
    expect(reported).toEqual(['b.yaml:1:12: cannot read a.conf: it includes itself (also at a.conf:1:20)'])
  })

  test('that are not there are a problem at their place', async () => {
    const { reported } = await load(`includes:\n  - gone.yaml\n${PIPELINE}`)
    expect(reported).toEqual(['a.conf:2:5: cannot read gone.yaml: ENOENT: no such file or directory'])
  })

  test('with NUL bytes are no text', async () => {
    const { reported } = await load(`includes: [b.yaml]\n${PIPELINE}`, { files: { 'b.yaml': 'a: \0\n' } })
    expect(reported).toEqual(['a.conf:1:12: cannot read b.yaml: it is not text'])
  })

  test('with parsers may be named by parsers_file', async () => {
    const text = `service: {parsers_file: p.yaml}\npipeline:\n  inputs: [{name: follow, path: /a, parser: p}]\n  outputs: [{name: send, match: "*"}]\n`
    const { plan, reported } = await load(text, {
      files: { 'p.yaml': 'parsers:\n  - name: p\n    format: plain\n    time_key: t\n' },
    })
    expect(reported).toEqual([])
    expect(plan?.parsers).toMatchObject([{ name: 'p', options: { timeKey: 't' } }])
  })
})

describe('values', () => {
  test('have variables of env, which win over the environment', async () => {
    const text = `env: {WHO: file, N: 5}\npipeline:\n  inputs: [{name: clock, tag: '\${WHO}.\${OUT:-x}.\${N}'}]\n  outputs: [{name: send, match: "*"}]\n`
    const { plan, reported } = await load(text, { env: { WHO: 'shell' } })
    expect(reported).toEqual([])
    expect(plan?.inputs[0]?.tag).toBe('file.x.5')
  })

  test('of a repeated key are two values, of an option with one value the last counts', async () => {
    const text = `service: {http_server: on, http_server: off}\npipeline:\n  inputs: [{name: clock}]\n  filters: [{name: keep, match: '*', regex: a b, regex: [c d, e f]}]\n  outputs: [{name: send, match: "*"}]\n`
    const { plan, reported, warnings } = await load(text)
    expect(reported).toEqual([])
    expect(plan?.filters[0]?.options).toEqual({
      regex: [
        ['a', 'b'],
        ['c', 'd'],
        ['e', 'f'],
      ],
    })
    expect(plan?.service.httpServer).toBe(false)
    expect(warnings).toEqual([
      'a.conf:1:11: [service] "http_server" is set again below: this value is ignored',
    ])
  })

  test('that are wrong are reported at their place, as those of the classic format', async () => {
    const { reported } = await load(
      'pipeline:\n  inputs:\n    - name: follow\n      path: /a\n      db.sync: fulll\n      colour: red\n  outputs:\n    - name: sned\n',
    )
    expect(reported).toEqual([
      'a.conf:5:16: [follow] "db.sync" must be one of full, normal, off, not "fulll" (did you mean full?)',
      'a.conf:6:7: [follow] unknown option "colour"',
      'a.conf:8:13: unknown output "sned" (did you mean send?)',
    ])
  })
})

test('a multiline parser with a list of rules is one of the plan', async () => {
  const text = `
multiline_parsers:
  - name: php
    type: regex
    flush_timeout: 400
    rules:
      - {state: start_state, regex: '/^\\[/', next_state: cont}
      - {state: cont, regex: '/^(?!\\[)/', next_state: cont}
${PIPELINE}`
  const { plan, reported } = await load(text)
  expect(reported).toEqual([])
  expect(plan?.multilines).toMatchObject([
    {
      name: 'php',
      options: {
        flushTimeout: 400,
        rule: ['"start_state" "/^\\[/" "cont"', '"cont" "/^(?!\\[)/" "cont"'],
      },
    },
  ])
})

test('a configuration without YAML does not load the package, one with YAML does', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'a.conf'), '[INPUT]\n  Name dummy\n[OUTPUT]\n  Name null\n  Match *\n')
  writeFileSync(join(dir, 'a.yaml'), 'pipeline: {inputs: [{name: dummy}]}\n')
  const src = join(import.meta.dirname, '../../../src')
  const run = async (name: string): Promise<string> => {
    const script = `
      const { loadPlan } = await import('${src}/config/load.ts')
      const { registry } = await import('${src}/registry.ts')
      await loadPlan({ file: '${join(dir, name)}', flags: undefined, registry, env: {} })
      console.log(Object.keys(require.cache).some((path) => path.includes('node_modules/yaml/')))`
    const running = new Running([process.execPath, '-e', script], [], {})
    await running.exited
    return `${running.stdout}${running.stderr}`.trim()
  }
  expect(await run('a.conf')).toBe('false')
  expect(await run('a.yaml')).toBe('true')
})
