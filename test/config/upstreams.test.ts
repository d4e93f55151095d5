import { expect, test } from 'bun:test'
import { load } from './loading.ts'

const MAIN = '[INPUT]\n    Name clock\n[OUTPUT]\n    Name send\n    Match *\n    Upstream up.conf\n'
const node = (name: string): string => `[NODE]\n    Name ${name}\n    Host \${H}.${name}\n    Port 24300\n`

test('the only node of an upstream is the peer of the output', async () => {
  const { plan, warnings } = await load(MAIN, {
    files: { 'up.conf': `[UPSTREAM]\n    Name x\n${node('a')}` },
    env: { H: 'h' },
  })
  expect(warnings).toEqual([])
  expect(plan?.outputs[0]?.options).toMatchObject({ host: 'h.a', port: 24300 })
})

test('several nodes are a problem that names them', async () => {
  const { reported } = await load(MAIN, {
    files: { 'up.conf': `[UPSTREAM]\n    Name x\n${node('a')}${node('b')}` },
  })
  expect(reported).toEqual(['a.conf:6:14: several nodes are not supported yet, and up.conf has 2: a, b'])
})

test('a file that is no upstream is a problem where it is named', async () => {
  expect((await load(MAIN)).reported).toEqual([
    'a.conf:6:14: cannot read up.conf: ENOENT: no such file or directory',
  ])
  expect((await load(MAIN, { files: { 'up.conf': node('a') } })).reported).toEqual([
    'a.conf:6:14: up.conf has no [UPSTREAM]',
  ])
  expect((await load(MAIN, { files: { 'up.conf': '[UPSTREAM]\n    Name x\n' } })).reported).toEqual([
    'a.conf:6:14: up.conf has no [NODE]',
  ])
})
