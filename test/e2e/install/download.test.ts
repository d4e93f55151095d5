import { expect } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  INSTALLED,
  type Machine,
  machineWith,
  names,
  QUICK,
  SCRIPT,
  SHELLS,
  testInstall,
} from '../../support/release/install.ts'
import { BINARY_NAME, cutAt, releaseOf, stub } from '../../support/release/release.ts'
import { onPath, testWith } from '../../support/skip.ts'
import { tmp } from '../../support/tmp.ts'

const TENTHS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
const HAS = /^has\(\) \{$/m
const ONLY_WGET = 'has() { [ "$1" != curl ] && command -v "$1" >/dev/null 2>&1; }'
/** The script with one of its functions replaced. */
const WGET_SCRIPT = SCRIPT.replace(/^has\(\) \{\n.*\n\}$/m, ONLY_WGET)

/** Runs the installer and expects that it fails with the one line `text` and leaves the root unchanged. */
async function refused(machine: Machine, text: string | RegExp, options: Parameters<Machine['run']>[1] = {}) {
  const before = machine.tree()
  const { code, stdout, stderr } = await machine.run([], options)
  const errors = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('downloading'))
  expect(errors).toEqual([expect.stringMatching(new RegExp(text))])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(machine.tree()).toEqual(before)
  expect(machine.calls).toEqual([])
}

for (const { name, command: shell, test } of SHELLS) {
  test(`${name}: a script that is cut off at any tenth, or anywhere in its last line, does nothing`, async () => {
    const { machine, server } = await machineWith({ version: '1.0.0' })
    const before = machine.tree()
    const last = SCRIPT.trimEnd().lastIndexOf('\n') + 1
    const tenths = TENTHS.map((n) => Math.floor((SCRIPT.length * n) / 10))
    const lastLine = Array.from({ length: SCRIPT.trimEnd().length - last }, (_, n) => last + n)
    for (const at of [...tenths, ...lastLine]) {
      const { stdout } = await machine.run([], { shell, script: SCRIPT.slice(0, at) })
      expect(stdout).toBe('')
    }
    expect(machine.tree()).toEqual(before)
    expect(server.requestedPaths).toEqual([])
  })

  test(`${name}: a binary whose download is cut off at any tenth is refused, and the next run succeeds`, async () => {
    const { machine, server } = await machineWith({ version: '1.0.0' })
    for (const n of TENTHS) {
      server.fault = cutAt(BINARY_NAME, n / 10, n % 2 === 0)
      await refused(machine, n % 2 === 0 ? 'cannot download http.*shipper-linux' : 'is damaged', { shell })
    }
    server.fault = undefined
    expect((await machine.run([], { shell })).code).toBe(0)
  })

  test(`${name}: a file that does not match SHA256SUMS is refused`, async () => {
    const { machine, server } = await machineWith({ version: '1.0.0' })
    for (const file of [BINARY_NAME, 'shipper.service', 'parsers.conf']) {
      const path = `/v1.0.0/${file}`
      const good = server.files.get(path) as Buffer
      const bad = Buffer.from(good)
      bad[bad.length >> 1] = (bad[bad.length >> 1] as number) ^ 1
      server.files.set(path, bad)
      await refused(machine, `${file} is damaged: .* nothing was changed`, { shell })
      server.files.set(path, good)
    }
  })

  const withWget = name === 'busybox sh' || onPath('wget') ? test : testWith('wget')
  withWget(`${name}: downloads with wget if there is no curl`, async () => {
    const { machine, server } = await machineWith({ version: '1.0.0' })
    // Debian's busybox would run the wget of PATH.
    const own = name === 'busybox sh' ? `wget() { ${shell[0]} wget "$@"; }\n` : ''
    const options = { shell, script: WGET_SCRIPT, before: QUICK + own }
    await refused(machine, 'cannot download .*/v9.9.9/SHA256SUMS: .*404', {
      ...options,
      env: { SHIPPER_VERSION: '9.9.9' },
    })
    server.fault = cutAt(BINARY_NAME, 0.5, true)
    await refused(machine, 'cannot download|is damaged', options)
    server.fault = undefined
    expect((await machine.run([], options)).code).toBe(0)
    expect(machine.running()).toBe(true)
  })
}

testInstall('the error for a version that does not exist names it and the answer of the server', async () => {
  const { machine } = await machineWith({ version: '1.0.0' })
  await refused(machine, 'cannot download .*/v9.9.9/SHA256SUMS: curl: .* 404', {
    env: { SHIPPER_VERSION: '9.9.9' },
  })
})

testInstall('an answer for the newest version that is not a version is refused', async () => {
  const { machine, server } = await machineWith({ version: '1.0.0' })
  server.files.set('/latest', Buffer.from('<html>sign in</html>'))
  await refused(machine, 'not a valid version: <html>')
  server.files.set('/latest', Buffer.from(''))
  await refused(machine, 'latest is empty')
})

testInstall('a release without a binary for this machine is refused before any download', async () => {
  const { machine, server } = await machineWith({ version: '1.0.0' })
  server.files.set('/v1.0.0/SHA256SUMS', Buffer.from(`${'0'.repeat(64)}  shipper-linux-other\n`))
  await refused(machine, `has no ${BINARY_NAME}`)
  expect(server.requestedPaths).toEqual(['/latest', '/v1.0.0/SHA256SUMS'])
})

testInstall('a binary whose version is not that of its folder is refused', async () => {
  const { machine, server } = await machineWith({ version: '1.0.0' })
  server.publish('1.1.0', releaseOf(stub({ version: '1.0.0' })))
  await refused(machine, '/v1.1.0/.* reports version 1.0.0 instead of 1.1.0')
})

testInstall('an unreachable server and an invalid address give one clear line each', async () => {
  const { machine } = await machineWith({ version: '1.0.0' })
  await refused(machine, 'cannot download http://127.0.0.1:1/latest: curl: ', {
    env: { SHIPPER_BASE_URL: 'http://127.0.0.1:1/' },
  })
  await refused(machine, 'not an http or https address: ftp://x', { env: { SHIPPER_BASE_URL: 'ftp://x' } })
  await refused(machine, 'set SHIPPER_BASE_URL, or use --from DIR', { env: { SHIPPER_BASE_URL: undefined } })
})

testInstall('installs from a folder without a network', async () => {
  const { machine, server } = await machineWith({ version: '1.0.0' })
  const folder = tmp()
  mkdirSync(join(folder, 'release'))
  for (const [name, bytes] of releaseOf(stub({ version: '1.0.0' })))
    writeFileSync(join(folder, 'release', name), bytes)
  const script = SCRIPT.replace(HAS, '$&\n  case $1 in curl | wget) return 1 ;; esac')
  const { code, stderr } = await machine.run(['--from', join(folder, 'release')], {
    script,
    env: { SHIPPER_BASE_URL: undefined },
  })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(names(machine.tree())).toEqual(expect.arrayContaining(INSTALLED))
  expect(server.requestedPaths).toEqual([])
  expect((await machine.run(['--from', folder])).stderr).toBe(
    `install.sh: there is no SHA256SUMS in ${folder}\n`,
  )
})

testInstall('uses the address that the release fills in if SHIPPER_BASE_URL is not set', async () => {
  const { machine, server } = await machineWith({ version: '1.0.0' })
  const script = SCRIPT.replace("DEFAULT_BASE_URL=''", `DEFAULT_BASE_URL='${server.url}'`)
  expect((await machine.run([], { script, before: QUICK, env: { SHIPPER_BASE_URL: undefined } })).code).toBe(
    0,
  )
})

testWith('ssh-keygen')(
  'a key without a signature, or what is no key, installs nothing and says so',
  async () => {
    const { machine } = await machineWith({ version: '1.0.0' })
    const withKey = (SHIPPER_PUBLIC_KEY: string) => ({ env: { SHIPPER_PUBLIC_KEY } })
    const unsigned = 'cannot download .*/SHA256SUMS.sig, which SHIPPER_PUBLIC_KEY requires: .*404'
    await refused(machine, unsigned, withKey('ssh-ed25519 AAAA'))
    for (const key of ['rubbish', '/no/such/key.pub', 'minisign.pub'])
      await refused(
        machine,
        'SHIPPER_PUBLIC_KEY is neither a public key of SSH or minisign nor a file',
        withKey(key),
      )
  },
)
