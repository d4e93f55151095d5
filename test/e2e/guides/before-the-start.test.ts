import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Guide } from '../../support/guide.ts'
import { tmp } from '../../support/tmp.ts'

const TEXTS = /^```text\n([\s\S]*?)^```$/gm
/** Commands of the page in their order, with their exit status. */
const COMMANDS: [begin: string, status: number][] = [
  ['shipper -c', 0],
  ['shipper explain', 0],
  ['shipper route', 1],
  ['shipper try', 0],
  ['shipper test', 0],
  ['sed', 0],
  ['shipper test', 1],
  ['shipper migrate', 0],
]

test('the commands of the guide print what the guide shows', async () => {
  const logs = tmp('l')
  const guide = new Guide('docs/guides/before-the-start.md', { replacements: { '/var/log/shop': logs } })
  writeFileSync(join(logs, 'a.log'), 'path=/order status=200\npath=/healthz status=200\n')
  writeFileSync(join(logs, 'b.log'), 'path=/cart status=404\n')
  guide.file('shop.conf', guide.configuration())
  const page = readFileSync(resolve(import.meta.dirname, '../../../docs/guides/before-the-start.md'), 'utf8')
  const texts = [...page.matchAll(TEXTS)].map(([, text = '']) => text)
  for (const [begin, status] of COMMANDS) {
    const command = guide.start(begin)
    const { code } = await command.ended()
    const shown = begin === 'sed' ? '' : texts.shift()
    expect({ begin, code, stdout: command.stdout.replaceAll(logs, '/var/log/shop') }).toEqual({
      begin,
      code: status,
      stdout: shown ?? 'no text in the guide',
    })
  }
  expect(texts).toEqual([])
  guide.done()
})
