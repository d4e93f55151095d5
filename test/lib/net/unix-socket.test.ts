import { expect, test } from 'bun:test'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { ShipperError } from '../../../src/core/error.ts'
import { socketError } from '../../../src/lib/net/unix-socket.ts'
import { spec as forward } from '../../../src/plugins/inputs/forward/index.ts'
import { spec as syslog } from '../../../src/plugins/inputs/syslog/index.ts'
import { serverIn } from '../../support/server-run.ts'
import { atEnd, tmp } from '../../support/tmp.ts'

const inputs = [
  ['unix_tcp', (path: string) => serverIn(syslog, { mode: 'unix_tcp', path })],
  ['unix_udp', (path: string) => serverIn(syslog, { mode: 'unix_udp', path })],
  ['forward', (path: string) => serverIn(forward, { unix_path: path })],
] as const

test.each(inputs)('what stands in the way of a socket is named, with what to do (%s)', async (_, run) => {
  const folder = tmp()
  const at = (name: string): string => join(folder, name)
  writeFileSync(at('file'), '')
  mkdirSync(at('folder'))
  symlinkSync(at('gone'), at('link'))
  const other = createServer()
  atEnd(() => void other.close())
  await new Promise<void>((resolve) => other.listen(at('used'), resolve))
  for (const [name, reason, hint] of [
    ['none/in.sock', `the folder ${at('none')} does not exist`, 'create it'],
    ['file/in.sock', `${at('file')} is not a folder`, 'in a folder'],
    ['file', 'a file that is no socket is there', 'remove it'],
    ['folder', 'it is a folder', 'in.sock'],
    ['link', `a symbolic link to ${at('gone')} is there`, 'remove it'],
    ['used', 'another process listens there', 'stop it'],
  ] as const) {
    const error = await run(at(name)).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ShipperError)
    const { code, message, hint: said } = error as ShipperError
    expect([code, message]).toEqual(['E_LISTEN', `cannot listen on ${at(name)}: ${reason}`])
    expect(said).toContain(hint)
    expect(said).toMatch(/set (?:Path|Unix_Path) to/)
    expect(said).not.toContain('port')
  }
})

test('a folder in which this user may not write is named', () => {
  const folder = tmp()
  chmodSync(folder, 0o500)
  const denied = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
  const { message } = socketError(join(folder, 'in.sock'), 'Path', denied)
  // A user who may write everywhere gets the reason of the system.
  expect(message).toContain(process.getuid?.() === 0 ? 'EACCES' : `may not write to the folder ${folder}`)
})

test('a path that is too long for a socket is found in the configuration', () => {
  const path = `/run/${'x'.repeat(103)}`
  for (const { check } of [syslog.options.path, forward.options.unix_path]) {
    expect(check(path)).toMatchObject({ reason: 'it has 108 bytes' })
    expect(check(path.slice(1))).toBeUndefined()
  }
})
