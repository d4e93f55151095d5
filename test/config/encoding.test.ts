import { expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { folderOf, shipper } from '../support/cli.ts'

const STAGES = '[INPUT]\n    Name dummy\n[OUTPUT]\n    Name null\n    Match *\n'

test.each([
  ['a.conf', `# ok\n# caf\xe9\n${STAGES}`, 2],
  ['fluentd.conf', '<source>\n  @type forward\n  bind 127.0.0.1\n  tag caf\xe9\n</source>\n', 4],
])('the first line of %s that is not UTF-8 is named', async (name, text, line) => {
  const cwd = folderOf({})
  writeFileSync(join(cwd, name), text, 'latin1')
  const { stderr } = await shipper(['-D', '-c', name], { cwd })
  expect(stderr).toContain(`${name}:${line}: this line is not UTF-8`)
  writeFileSync(join(cwd, name), text)
  expect((await shipper(['-D', '-c', name], { cwd })).stderr).not.toContain('UTF-8')
})

test.each([
  ['a.conf', `@INCLUDE pipe\n${STAGES}`],
  ['fluentd.conf', '@include pipe\n<source>\n  @type forward\n  bind 127.0.0.1\n</source>\n'],
])('a pipe without a writer that %s includes is an error', async (name, text) => {
  const cwd = folderOf({ [name]: text })
  execFileSync('mkfifo', [join(cwd, 'pipe')])
  const { code, stderr } = await shipper(['-D', '-c', name], { cwd })
  expect(code).toBe(1)
  expect(stderr).toContain('pipe: it is a pipe, not a regular file; name a regular file\n')
})

test('a file that includes itself gets the advice to remove the line, and migrate writes nothing', async () => {
  const cwd = folderOf({ 'a.conf': `@INCLUDE a.conf\n${STAGES}` })
  const { code, stderr } = await shipper(['migrate', 'a.conf', '--to', 'yaml'], { cwd })
  expect(code).toBe(1)
  expect(stderr).toBe(
    'a.conf:1:1: cannot read a.conf: it includes itself; remove this line\nshipper: 1 problem in the configuration: nothing is written\n',
  )
})
