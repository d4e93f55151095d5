import { expect } from 'bun:test'
import { mkdirSync, readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { ARCH, ROOT } from '../../../scripts/bootstrap.mjs'
import { readManifest } from '../../../scripts/manifest.ts'
import {
  canMount,
  MOUNT_NAMESPACE,
  machineWith,
  QUICK,
  SCRIPT,
  SHELLS,
  testInstall,
} from '../../support/release/install.ts'
import { BINARY_NAME, releaseOf } from '../../support/release/release.ts'
import { peerOrSkip } from '../../support/skip.ts'
import { until } from '../../support/until.ts'

const testWithMount = peerOrSkip('a mount namespace', canMount(), 'unshare cannot make one')
const NO_SPACE = /^install\.sh: cannot (?:write|create|download|back up) /
const HAS = /^has\(\) \{$/m
const NEEDS_ROOT = /^install.sh: this needs root.*\n$/
const TARGET_NAME = /\((\S+)\)/

/** Returns shell functions in place of the programs that describe the system. */
function system(machine: string, libc: 'glibc' | 'musl', kernel = 'Linux'): string {
  return `
uname() { case $1 in -s) echo ${kernel} ;; -m) echo ${machine} ;; esac; }
getconf() { ${libc === 'glibc' ? 'echo glibc 2.36' : 'return 1'}; }
ldd() { ${libc === 'glibc' ? 'echo "ldd (GNU libc)"' : 'echo "musl libc (x86_64)" >&2; return 1'}; }
${QUICK}`
}

for (const { name, command: shell, test } of SHELLS) {
  test(`${name}: chooses each binary of the manifest on its system`, async () => {
    const { machine, server } = await machineWith({ version: '1.0.0' })
    const { name, bun } = readManifest()
    expect(SCRIPT).toContain(`\nNAME=${name}\n`)
    const targets = Object.keys(bun.targets)
    server.files.set(
      '/v1.0.0/SHA256SUMS',
      Buffer.from(targets.map((target) => `${'0'.repeat(64)}  ${name}-${target}\n`).join('')),
    )
    const chosen: string[] = []
    for (const arch of ['x86_64', 'amd64', 'aarch64', 'arm64']) {
      for (const libc of ['glibc', 'musl'] as const) {
        const { stdout } = await machine.run(['--dry-run'], { shell, before: system(arch, libc) })
        chosen.push(TARGET_NAME.exec(stdout)?.[1] ?? stdout)
      }
    }
    const [x64, arm64] = [
      ['linux-x64', 'linux-x64-musl'],
      ['linux-arm64', 'linux-arm64-musl'],
    ]
    expect(chosen).toEqual([...x64, ...x64, ...arm64, ...arm64])
    expect([...new Set(chosen)].sort()).toEqual(targets.sort())
  })

  test(`${name}: a system or a processor without a binary gives one clear line`, async () => {
    const { machine, server } = await machineWith({ version: '1.0.0' })
    const before = machine.tree()
    const darwin = await machine.run([], { shell, before: system('arm64', 'glibc', 'Darwin') })
    expect(darwin).toMatchObject({
      code: 1,
      stderr: 'install.sh: unsupported system Darwin: there are binaries for Linux\n',
    })
    const riscv = await machine.run([], { shell, before: system('riscv64', 'glibc') })
    expect(riscv.stderr).toBe(
      'install.sh: unsupported processor riscv64: there are binaries for x86_64 and aarch64\n',
    )
    expect(machine.tree()).toEqual(before)
    expect(server.requestedPaths).toEqual([])
  })

  test(`${name}: a second run at the same time ends with a clear line, and the first one succeeds`, async () => {
    const { machine, server } = await machineWith({ version: '1.0.0' })
    const pendingDownloads: (() => void)[] = []
    server.fault = (path, response, body) => {
      if (!path.endsWith(BINARY_NAME)) return false
      pendingDownloads.push(() => response.end(body))
      return true
    }
    const first = machine.begin([], { shell })
    await until(() => pendingDownloads.length === 1)
    const second = await machine.run([], { shell })
    expect(second.code).toBe(1)
    expect(second.stderr).toBe(`install.sh: another installation is running (process ${first.pid})\n`)
    pendingDownloads[0]?.()
    expect((await first.ended()).code).toBe(0)
    expect(machine.running()).toBe(true)
  })

  test(`${name}: interrupted during a download, it ends at once and leaves no files`, async () => {
    const { machine, server } = await machineWith({ version: '1.0.0' })
    const before = machine.tree()
    let download: ServerResponse | undefined
    server.fault = (path, response) => {
      download = response
      return path.endsWith(BINARY_NAME)
    }
    for (const [signal, status] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
    ] as const) {
      const requestsBefore = server.requestedPaths.length
      const run = machine.begin([], { shell })
      await until(() => server.requestedPaths.length > requestsBefore + 2)
      const { code } = await run.stop(signal)
      expect(code).toBe(status)
      expect(run.stderr).toContain('interrupted, everything was rolled back')
      await until(() => download?.destroyed, { what: 'the end of the download' })
      expect(machine.tree()).toEqual(before)
    }
  })

  test(`${name}: after a kill -9 during a download the next run succeeds and removes the leftovers`, async () => {
    const { machine, server } = await machineWith({ version: '1.0.0' })
    server.fault = (path) => path.endsWith(BINARY_NAME)
    const run = machine.begin([], { shell })
    await until(() => server.requestedPaths.length > 2)
    await run.stop('SIGKILL')
    expect(machine.tree().filter((line) => line.includes('/.shipper'))).not.toEqual([])
    server.fault = undefined
    expect((await machine.run([], { shell })).code).toBe(0)
    expect(machine.tree().filter((line) => line.includes('/.shipper'))).toEqual([])
  })
}

testInstall('an interruption while the new version is checked restores the old one', async () => {
  const { machine, publish } = await machineWith({ version: '1.0.0' })
  await machine.run()
  const before = machine.tree()
  publish({ version: '1.1.0' })
  const restarts = () => machine.calls.filter((call) => call === 'restart shipper').length
  const run = machine.begin([], { before: '' })
  await until(() => restarts() === 2)
  run.kill('SIGTERM')
  await until(() => restarts() === 3)
  expect((await run.ended()).code).toBe(143)
  expect(machine.tree()).toEqual(before)
  expect(machine.running()).toBe(true)
})

testInstall('an executable for another processor is not run', async () => {
  const { machine, server } = await machineWith({ version: '1.0.0' })
  const other = Buffer.from(readFileSync(process.execPath).subarray(0, 4096))
  other[18] = ARCH === 'x64' ? 0xb7 : 0x3e
  server.publish('1.0.0', releaseOf(other))
  const before = machine.tree()
  expect(await machine.run()).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('is for another processor than'),
  })
  expect(machine.tree()).toEqual(before)
})

testInstall('a binary that does not run on this machine is not installed', async () => {
  const { machine, publish } = await machineWith({ version: '1.0.0', status: 132 })
  const before = machine.tree()
  expect((await machine.run()).stderr).toContain('does not run on this system (the processor may be too old')
  publish({ version: '1.0.0', status: 127 })
  const musl = await machine.run([], { before: system(ARCH === 'x64' ? 'x86_64' : 'aarch64', 'glibc') })
  expect(musl.stderr).toContain('does not run on this system: ')
  expect(machine.tree()).toEqual(before)
})

testInstall('a missing curl and wget, checksum program or root give one clear line each', async () => {
  const { machine } = await machineWith({ version: '1.0.0' })
  const before = machine.tree()
  const without = (...programs: string[]) =>
    SCRIPT.replace(HAS, `$&\n  case $1 in ${programs.join(' | ')}) return 1 ;; esac`)
  expect((await machine.run([], { script: without('curl', 'wget') })).stderr).toBe(
    'install.sh: neither curl nor wget found: install one of them, or use --from DIR\n',
  )
  expect((await machine.run([], { script: without('sha256sum', 'shasum', 'openssl') })).stderr).toBe(
    'install.sh: none of sha256sum, shasum and openssl found: install one of them\n',
  )
  const person = `${QUICK}id() { echo 1000; }\n`
  // This is the real root: if the check were missing, the script would end right after it.
  const script = SCRIPT.replace('\n  find_target\n', '\n  exit 9\n').replace("\n  found=''\n", '\n  exit 9\n')
  expect(script.split('exit 9')).toHaveLength(3)
  const options = { before: person, script }
  expect((await machine.run(['--root', '/'], options)).stderr).toMatch(NEEDS_ROOT)
  expect((await machine.run(['--root', '/', '--uninstall'], options)).stderr).toMatch(NEEDS_ROOT)
  expect(machine.tree()).toEqual(before)
})

testInstall('invalid arguments give one clear line each', async () => {
  const { machine } = await machineWith({ version: '1.0.0' })
  const stderrOf = async (...args: string[]) => (await machine.run(args)).stderr
  expect(await stderrOf('--prefx', 'x')).toBe('install.sh: unknown option --prefx, see --help\n')
  expect(await stderrOf('--prefix')).toBe('install.sh: --prefix needs a directory\n')
  expect(await stderrOf('--purge')).toBe('install.sh: --purge requires --uninstall\n')
  expect(await stderrOf('--prefix', '/a b')).toBe(
    'install.sh: the path of --prefix contains a space or a special character: /a b\n',
  )
  expect((await machine.run(['--help'])).stdout).toContain('--uninstall')
})

/** Returns a command that mounts a file system with `pages` free pages of 4 KB on a folder of the root, and lists it at the end. */
function small(folder: string, pages: number): string[] {
  const script = `
    mount -t tmpfs -o size=${4 * (pages + 1)}k none '${folder}' && head -c 4096 /dev/zero >'${folder}/full' || exit 9
    "$@"; status=$?; ls -A '${folder}' >&2; exit $status`
  return ['unshare', ...MOUNT_NAMESPACE, 'sh', '-c', script, 'sh']
}

testWithMount('on a full disk nothing is installed, whichever file system is full', async () => {
  const { machine } = await machineWith({ version: '1.0.0' })
  mkdirSync(machine.path('etc/shipper'))
  const before = machine.tree()
  const disks = [
    ['usr/local/bin', 0],
    ['usr/local/bin', 1],
    ['usr/local/bin', 20],
    ['etc/systemd/system', 0],
    ['etc/shipper', 0],
    ['etc/shipper', 1],
  ] as const
  for (const [folder, pages] of disks) {
    const { code, stderr } = await machine.run([], { around: small(machine.path(folder), pages) })
    const [line, ...files] = stderr
      .split('\n')
      .filter((line) => !line.startsWith('downloading') && line !== '')
    expect({ code, line, files }).toEqual({
      code: 1,
      line: expect.stringMatching(NO_SPACE),
      files: ['full'],
    })
    expect(machine.tree()).toEqual(before)
    expect(machine.running()).toBe(false)
  }
  expect((await machine.run()).code).toBe(0)
})

testInstall('the script names every file that a release contains for it', () => {
  const files = Object.keys(readManifest().install).filter((name) => name !== 'install.sh')
  const named = SCRIPT.replaceAll('$NAME', readManifest().name)
  for (const file of files) expect(named).toContain(file.startsWith('drop-in-') ? 'drop-in-[a-z-]*' : file)
  expect(readFileSync(join(ROOT, 'scripts/install.sh'), 'utf8')).toEndWith('\n{ main "$@"; exit; }\n')
})
