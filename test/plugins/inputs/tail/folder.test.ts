import { expect, test } from 'bun:test'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { siblingsOf, withSiblings } from '../../../../src/plugins/inputs/tail/folder.ts'
import { tmp } from '../../../support/tmp.ts'

test('files that something stands beside are found in one look at their folder, through links too', () => {
  const dir = tmp()
  const logs = join(dir, 'logs')
  mkdirSync(logs)
  const names = ['a.log', 'a.log.1', 'a.logs', 'b.log', 'b.log.old', 'c.log', 'd.log', 'd.log.json', 'z.log']
  for (const name of names) writeFileSync(join(logs, name), '')
  symlinkSync(join(logs, 'b.log'), join(dir, 'link.log'))
  const paths = ['a', 'b', 'c', 'd', 'z', 'gone'].map((name) => join(logs, `${name}.log`))
  const found = withSiblings([...paths, join(dir, 'link.log'), join(dir, 'none/x.log')])
  expect(found).toEqual([...['a', 'b', 'd'].map((name) => join(logs, `${name}.log`)), join(dir, 'link.log')])
  // What rotation does not make is told apart only then.
  expect(found.map((path) => siblingsOf(path).length)).toEqual([1, 1, 0, 1])
})
