import { expect, test } from 'bun:test'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { registry } from '../../../src/registry.ts'
import { Guide } from '../../support/guide.ts'
import { until } from '../../support/until.ts'

const SAMPLE = '{"price":5,"count":2,"by":"ann@example.com"}\n{"count":1,"by":"bob@example.com"}\n'
const PAGE = readFileSync(join(ROOT, 'docs/guides/filters.md'), 'utf8')

function block(language: string): string {
  return new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(PAGE)?.[1] ?? ''
}

test('the commands of the guide run as written: what a script fails on is kept, and sent after its repair', async () => {
  const guide = new Guide('docs/guides/filters.md', {
    replacements: { '/var/log/shop': 'log', '/var/lib/shipper': 'state', '/srv/archive': 'archive' },
  })
  for (const name of ['log', 'archive']) mkdirSync(join(guide.dir, name))
  guide.file('shop.conf', guide.configuration())
  guide.file('orders.lua', block('lua'))
  guide.file('sample.log', SAMPLE)
  guide.file('log/a.log', SAMPLE)
  expect(await guide.run('shipper try')).toBe(block('text'))

  const agent = guide.launch('shipper -c shop.conf')
  await agent.waitForStderr('given up and written to')
  const archive = (): string[] => readFileSync(join(guide.dir, 'archive/shop.jsonl'), 'utf8').split('\n')
  await until(() => archive().length > 1)
  expect((await agent.stop()).code).toBe(0)
  expect(await guide.run('shipper dead-letters list')).toContain('1 to replay')
  expect(await guide.run('shipper dead-letters show')).toContain(
    '"record":{"count":1,"by":"bob@example.com"}',
  )
  await guide.run('sed')
  expect(await guide.run('shipper dead-letters replay')).toBe('1 replayed\n')
  expect(archive().map((line) => line.replace(/^.*, /, ''))).toEqual([
    '{"price":5,"count":2,"by":"[REDACTED:email]","total":10}]',
    '{"count":1,"by":"[REDACTED:email]","total":0}]',
    '',
  ])
  guide.done()
})

test('the guide names every filter', () => {
  expect(registry.names('filter').filter((name) => !PAGE.includes(`(../plugins/filter-${name}.md)`))).toEqual(
    [],
  )
})
