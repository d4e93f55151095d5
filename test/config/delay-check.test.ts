import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Flags } from '../../src/config/flags.ts'
import { loadPlan } from '../../src/config/load.ts'
import { registry } from '../../src/registry.ts'
import { tmp } from '../support/tmp.ts'

const FILES = '[INPUT]\n    Name tail\n    Path /var/log/a\n    DB pos.db\n    Tag app\n'
const STDIN = '[INPUT]\n    Name stdin\n    Tag app\n'
const OUTPUT = '[OUTPUT]\n    Name null\n    Match *\n'
const throttle = (match: string, action = 'delay'): string =>
  `[FILTER]\n    Name throttle\n    Match ${match}\n    Rate 5\n    Action ${action}\n`
const REWRITE = '[FILTER]\n    Name rewrite_tag\n    Match app\n    Rule $level ^error$ error.$TAG false\n'

async function warningsOf(text: string, name = 'a.conf'): Promise<string[]> {
  const file = join(tmp(), name)
  writeFileSync(file, text)
  const { problems, warnings } = await loadPlan({ file, flags: new Flags().tree, registry, env: {} })
  expect(problems).toEqual([])
  return warnings.map((warning) => warning.replace(/^.*?: /, ''))
}

test('throttle with Action delay warns of inputs that cannot wait', async () => {
  expect(await warningsOf(FILES + STDIN + throttle('*') + OUTPUT)).toEqual([
    '[throttle] Action delay has no effect on stdin.0: only inputs that read files can wait, so its records pass without a limit; use another Action for them',
  ])
})

test.each([
  ['files', FILES + throttle('*')],
  ['an input whose tag it does not match', FILES + STDIN.replace('app', 'other') + throttle('app')],
  ['Action drop', STDIN + throttle('*', 'drop')],
  ['a throttle before the filter that gives a tag', FILES + throttle('*') + REWRITE],
])('there is no such warning with %s', async (_, text) => {
  expect(await warningsOf(text + OUTPUT)).toEqual([])
})

test.each([
  ['behind it', REWRITE + throttle('*')],
  ['that matches only the new tag', throttle('error.*') + REWRITE],
])('throttle with Action delay warns of records with a new tag: %s', async (_, filters) => {
  expect(await warningsOf(FILES + filters + OUTPUT)).toEqual([
    expect.stringContaining(
      '[throttle] Action delay has no effect on records to which rewrite_tag.0 gives the tag error.',
    ),
  ])
})

test('as a processor of an input that cannot wait it warns, too', async () => {
  const text =
    'pipeline:\n  inputs:\n    - name: stdin\n      tag: app\n      processors:\n        logs:\n' +
    "          - {name: throttle, rate: 5, action: delay}\n  outputs:\n    - {name: 'null', match: '*'}\n"
  expect(await warningsOf(text, 'a.yaml')).toEqual([
    expect.stringContaining('[throttle] Action delay has no effect on stdin.0'),
  ])
})
