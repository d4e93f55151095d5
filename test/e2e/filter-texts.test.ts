import { expect, test } from 'bun:test'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { folderOf, shipper } from '../support/cli.ts'

/** What the agent says about filters that fail. */

const FAILING =
  '[FILTER]\n    Name   lua\n    Match  *\n    Call   cb\n    Code   function cb() error("no level") end\n'
const RUN = '[INPUT]\n    Name stdin\n    Tag app\n[OUTPUT]\n    Name null\n    Match *\n'

test('with -q the reason why a start fails is on stderr all the same', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const args = ['-q', '-H', '-L', '127.0.0.1', '-P', String(port), '-i', 'stdin', '-t', 'app', '-o', 'null']
  const { code, stdout, stderr } = await shipper([...args, '-m', '*'], { cwd: folderOf({}) })
  server.close()
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toMatch(new RegExp(`^shipper: .*${port}.*\\n$`))
})

test('a trial does not say that a record on which a filter fails would be dropped', async () => {
  const cwd = folderOf({ 'a.conf': RUN + FAILING })
  const { code, stderr } = await shipper(['try', '-c', 'a.conf', '--tag', 'app', '--json'], {
    cwd,
    stdin: '{"a":1}\n',
  })
  expect(code).toBe(0)
  expect(stderr).toContain('1 record given up and not written, since this is a trial: ')
  expect(stderr).not.toContain('dropped')
})
