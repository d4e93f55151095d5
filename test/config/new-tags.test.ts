import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Flags } from '../../src/config/flags.ts'
import { loadPlan } from '../../src/config/load.ts'
import { formatLocation } from '../../src/core/error.ts'
import { registry } from '../../src/registry.ts'
import { tmp } from '../support/tmp.ts'

const INPUT = '[INPUT]\n    Name dummy\n    Tag app.a\n'
const OUTPUT = '[OUTPUT]\n    Name null\n    Match *\n'
const rewrite = (match: string, ...rules: string[]): string =>
  `[FILTER]\n    Name rewrite_tag\n    Match ${match}\n${rules.map((rule) => `    Rule ${rule}\n`).join('')}`

async function load(text: string, name = 'a.conf'): Promise<{ reported: string[]; warnings: string[] }> {
  const dir = tmp()
  const file = join(dir, name)
  writeFileSync(file, text)
  const { problems, warnings } = await loadPlan({ file, flags: new Flags().tree, registry, env: {} })
  const short = (line: string): string => line.replaceAll(`${dir}/`, '')
  return {
    reported: problems.map((one) => short(`${formatLocation(one.location)}: ${one.message}`)),
    warnings: warnings.map(short),
  }
}

test('two filters that give the same records fixed tags, each of which the other matches, are refused', async () => {
  const { reported } = await load(
    INPUT + rewrite('app.*', '$k ^a$ log.a false') + rewrite('log.*', '$k ^a$ app.b false') + OUTPUT,
  )
  expect(reported).toEqual([
    'a.conf:4:1: records go in a circle, with the same rule in each: rewrite_tag.0 -> rewrite_tag.1 -> rewrite_tag.0',
  ])
})

test('a circle of three filters is found, once, also by Match_Regex', async () => {
  const last = rewrite('x', '$k a app.b true').replace('Match x', 'Match_Regex ^c')
  const { reported } = await load(
    INPUT + rewrite('app.*', '$k a b.1 false') + rewrite('b.*', '$k a c.1 false') + last + OUTPUT,
  )
  expect(reported).toEqual([
    'a.conf:4:1: records go in a circle, with the same rule in each: rewrite_tag.0 -> rewrite_tag.1 -> rewrite_tag.2 -> rewrite_tag.0',
  ])
})

test('a circle to which another filter leads begins with its own first filter', async () => {
  const { reported } = await load(
    INPUT +
      rewrite('app.*', '$k a c.1 false') +
      rewrite('b.*', '$k a c.1 false') +
      rewrite('c.*', '$k a b.1 false') +
      OUTPUT,
  )
  expect(reported).toEqual([
    'a.conf:8:1: records go in a circle, with the same rule in each: rewrite_tag.1 -> rewrite_tag.2 -> rewrite_tag.1',
  ])
})

test('thousands of rules, and hundreds of filters, are checked in linear time', async () => {
  const rules = Array.from({ length: 4000 }, (_, i) => `$level ^e${i}$ x.${i} true`)
  expect((await load(INPUT + rewrite('app.*', ...rules) + OUTPUT)).reported).toEqual([])
  const chain = Array.from({ length: 500 }, (_, i) => rewrite(`t${i}`, `$k a t${i + 1} true`))
  expect((await load(INPUT + chain.join('') + OUTPUT)).reported).toEqual([])
}, 180_000)

test.each([
  ['a filter that matches its own tag', rewrite('app.*', '$k ^a$ app.b false')],
  ['other records', rewrite('app.*', '$k ^a$ log.a false') + rewrite('log.*', '$k ^b$ app.b false')],
  [
    'a tag that is not fixed',
    rewrite('app.*', '$k ^a$ log.$k false') + rewrite('log.*', '$k ^a$ app.b false'),
  ],
  ['a way that ends', rewrite('app.*', '$k ^a$ log.a false') + rewrite('log.*', '$k ^a$ end false')],
])('%s is no circle', async (_, filters) => {
  expect((await load(INPUT + filters + OUTPUT)).reported).toEqual([])
})

test('a filter or output whose Match only new tags have is not reported as without records', async () => {
  const output = OUTPUT.replace('Match *', 'Match error.*')
  const text =
    INPUT + rewrite('app.*', '$k ^a$ error.$TAG false') + rewrite('error.*', '$k b c false') + output
  const { warnings } = await load(text + OUTPUT.replace('Match *', 'Match none.*'))
  expect(warnings.filter((line) => line.includes('it gets no records'))).toEqual([
    expect.stringContaining('Match none.* does not match any of the tags app.a, error.*, c'),
  ])
})

test('rewrite_tag cannot be a processor of an output, and can be one of an input', async () => {
  const processors = `      processors:
        logs:
          - name: rewrite_tag
            rule: $k a b false
`
  const yaml = (ofInput: string, ofOutput: string): string =>
    `pipeline:\n  inputs:\n    - name: dummy\n      tag: a\n${ofInput}  outputs:\n    - name: 'null'\n      match: '*'\n${ofOutput}`
  expect((await load(yaml(processors, ''), 'a.yaml')).reported).toEqual([])
  expect((await load(yaml('', processors), 'a.yaml')).reported).toEqual([
    expect.stringContaining('[rewrite_tag] cannot be a processor of an output'),
  ])
})
