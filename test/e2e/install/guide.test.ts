import { expect } from 'bun:test'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { machineWith, QUICK, SCRIPT, testInstall } from '../../support/release/install.ts'
import { releaseOf, stub } from '../../support/release/release.ts'
import { tmp } from '../../support/tmp.ts'

const GUIDE = readFileSync(join(ROOT, 'docs/guides/install.md'), 'utf8')
const SHELL_BLOCK = /```sh\n([\s\S]*?)```/
const COMMENT = /\s+#.*$/
const INSERTED = /(-s --|install\.sh)(?= --|$)/
const DOWNLOADING = /^downloading .*\n/
const BARE = /\bsh$/

/** Returns the commands of the first block of the guide, with the address, folder and root of the test. */
function commands(url: string, folder: string, root: string): string[] {
  const [, block = ''] = SHELL_BLOCK.exec(GUIDE) ?? []
  return block
    .trim()
    .split('\n')
    .map((line) => line.replace(COMMENT, '').replace('DIR', folder))
    .map((line) => (BARE.test(line) ? `${line} -s --` : line))
    .map((line) =>
      line
        .replace('URL/install.sh', '@')
        .replace(INSERTED, `$1 --root ${root}`)
        .replace('@', `${url}/install.sh`),
    )
    .map((line) => line.replace('sh install.sh', `sh ${folder}/install.sh`))
}

testInstall('the commands of the guide run as written, one after the other', async () => {
  const { machine, server } = await machineWith({ version: '0.1.0' })
  const folder = tmp()
  const files = releaseOf(stub({ version: '0.1.0' }))
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes)
  const script = (QUICK + SCRIPT).replace("DEFAULT_BASE_URL=''", `DEFAULT_BASE_URL='${server.url}'`)
  writeFileSync(join(folder, 'install.sh'), script)
  server.files.set('/install.sh', Buffer.from(script))
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'sudo'), '#!/bin/sh\nexec env "$@"\n')
  chmodSync(join(bin, 'sudo'), 0o755)

  const before = machine.tree()
  const lines = commands(server.url, folder, machine.root)
  expect(lines).toHaveLength(7)
  for (const line of lines) {
    const { code, stderr } = await machine.shell(line, {
      HOME: '/home/me',
      PATH: bin,
      SHIPPER_BASE_URL: undefined,
    })
    expect({ line, code, stderr: stderr.replace(DOWNLOADING, '') }).toEqual({ line, code: 0, stderr: '' })
  }
  expect(machine.tree().filter((path) => !path.startsWith('home/'))).toEqual(before)
  expect(machine.has('home/me/.local/bin/shipper')).toBe(true)
})
