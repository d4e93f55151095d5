import { expect, test } from 'bun:test'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { follow } from '../../../../support/tail/run.ts'
import { tmp } from '../../../../support/tmp.ts'

test('the debug line of a followed file has its tag, inode, size and start offset', async () => {
  const path = join(tmp(), 'a.log')
  writeFileSync(path, 'one\n')
  const run = follow({ path }, { tag: 'service' })
  await run.waitForLines(1)
  const line = run.logs.find(({ level, message }) => level === 'debug' && message === `${path} is followed`)
  expect(line?.fields).toEqual({ tag: 'service', inode: statSync(path).ino.toString(), size: 4, from: 0 })
})
