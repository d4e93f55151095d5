import { expect } from 'bun:test'
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { deb, debianVersion } from '../../../scripts/release/deb.ts'
import { debianProgram } from '../../support/release/debian.ts'
import { DebianRoot, withDpkgDeb, withDpkgRoot } from '../../support/release/debian-root.ts'
import { DROP_INS } from '../../support/release/install.ts'
import { peerOrSkip } from '../../support/skip.ts'
import { tmp } from '../../support/tmp.ts'

const CONF = 'etc/shipper/shipper.conf'
const UNIT = 'lib/systemd/system/shipper.service'
const FILES = [
  ...DROP_INS,
  'etc/shipper/parsers.conf',
  CONF,
  UNIT,
  'usr/bin/shipper',
  'usr/share/doc/shipper/copyright',
]
const TIME = 1_700_000_000

/** Makes a package whose binary is a script. */
function packageOf(version: string): string {
  const bytes = deb({
    version,
    maintainer: 'A <a@localhost>',
    arch: 'all',
    time: TIME,
    binary: Buffer.from(`#!/bin/sh\necho shipper ${version}\n`),
    copyright: 'free\n',
  })
  const file = join(tmp(), `shipper_${version}.deb`)
  writeFileSync(file, bytes)
  return file
}

withDpkgDeb('dpkg-deb reads the fields of the package', () => {
  const field = (file: string, name: string): string =>
    execFileSync('dpkg-deb', ['-f', file, name], { encoding: 'utf8' }).trim()
  const file = packageOf('1.2.3-rc.1')
  expect(field(file, 'Package')).toBe('shipper')
  expect(field(file, 'Version')).toBe('1.2.3~rc.1')
  expect(field(file, 'Maintainer')).toBe('A <a@localhost>')
  expect(field(file, 'Depends')).toContain('libc6 (>= 2.17)')
  expect(Number(field(file, 'Installed-Size'))).toBeGreaterThan(10)
  execFileSync('dpkg-deb', ['-I', file], { stdio: 'ignore' })
})

withDpkgDeb('it contains the binary, the unit for it, the configuration and the licenses', () => {
  const file = packageOf('1.2.3')
  const listed = execFileSync('dpkg-deb', ['-c', file], { encoding: 'utf8' }).trim().split('\n')
  expect(listed.filter((line) => line.startsWith('-')).map((line) => line.split(' ./')[1])).toEqual(FILES)
  expect(listed.every((line) => line.includes(' root/root '))).toBe(true)
  const dir = tmp()
  execFileSync('dpkg-deb', ['-x', file, dir])
  expect(execFileSync(join(dir, 'usr/bin/shipper'), { encoding: 'utf8' })).toBe('shipper 1.2.3\n')
  const control = tmp()
  execFileSync('dpkg-deb', ['-e', file, control])
  expect(spawnSync('md5sum', ['-c', join(control, 'md5sums')], { cwd: dir }).status).toBe(0)
  const root = { path: dir, read: DebianRoot.prototype.read }
  expect(root.read(UNIT)).toContain('\nExecStart=/usr/bin/shipper -c /etc/shipper/shipper.conf\n')
  expect(root.read(UNIT)).not.toContain('/usr/local')
  expect(root.read(CONF)).toContain(`\${SHIPPER_STATE:-/var/lib/shipper}/shipper.db`)
})

withDpkgRoot('installing creates the user and the state directory and enables the service', () => {
  const root = new DebianRoot()
  const { status, output } = root.dpkg('-i', packageOf('1.0.0'))
  expect({ status, output }).toMatchObject({ status: 0 })
  expect(root.files()).toEqual(
    [...FILES, 'etc/systemd/system/multi-user.target.wants/shipper.service'].sort(),
  )
  const account = root.account('shipper')
  expect(root.owner('var/lib/shipper')).toBe(`750 ${account}`)
  expect(root.owner(CONF)).toBe(`640 0:${account?.split(':')[1]}`)
  expect(root.owner('usr/bin/shipper')).toBe('755 0:0')
})

withDpkgRoot('an upgrade keeps the configuration, its mode and the positions', () => {
  const root = new DebianRoot()
  root.dpkg('-i', packageOf('1.0.0-rc.1'))
  root.write(CONF, '# mine\n')
  root.write('var/lib/shipper/shipper.db', 'positions')
  execFileSync('chmod', ['600', join(root.path, CONF)])
  const { status, output } = root.dpkg('-i', packageOf('1.0.0'))
  expect({ status, output }).toMatchObject({ status: 0 })
  expect(output).toContain('1.0.0) over (1.0.0~rc.1)')
  expect(root.read(CONF)).toBe('# mine\n')
  expect(root.owner(CONF)).toStartWith('600 ')
  expect(root.read('usr/bin/shipper')).toContain('1.0.0\n')
  expect(root.read('var/lib/shipper/shipper.db')).toBe('positions')
})

withDpkgRoot('removing keeps configuration and positions, purging leaves nothing', () => {
  const root = new DebianRoot()
  root.dpkg('-i', packageOf('1.0.0'))
  root.write('var/lib/shipper/shipper.db', 'positions')
  root.write('etc/shipper/shipper.env', 'KEY=1\n')
  expect(root.dpkg('-r', 'shipper')).toMatchObject({ status: 0 })
  expect(root.has('usr/bin/shipper')).toBe(false)
  expect(root.has(CONF)).toBe(true)
  expect(root.has('var/lib/shipper/shipper.db')).toBe(true)
  expect(root.dpkg('-P', 'shipper')).toMatchObject({ status: 0 })
  expect(root.files()).toEqual([])
  expect(root.account('shipper')).toBeUndefined()
  expect(root.read('etc/group')).toBe('root:x:0:\n')
})

withDpkgRoot('an existing group or user of that name is used unchanged', () => {
  const root = new DebianRoot()
  root.write('etc/group', 'root:x:0:\nshipper:x:4321:\n')
  expect(root.dpkg('-i', packageOf('1.0.0'))).toMatchObject({ status: 0 })
  expect(root.account('shipper')).toEndWith(':4321')
  const other = new DebianRoot()
  other.write('etc/passwd', 'root:x:0:0::/:/bin/sh\nshipper:x:1234:1234::/home/shipper:/bin/sh\n')
  expect(other.dpkg('-i', packageOf('1.0.0'))).toMatchObject({ status: 0 })
  expect(other.owner('var/lib/shipper')).toBe('750 1234:1234')
})

withDpkgRoot('it refuses to install over an installation by install.sh, and says what to do', () => {
  const root = new DebianRoot()
  root.write('etc/systemd/system/shipper.service', '[Service]\nExecStart=/usr/local/bin/shipper -c a\n')
  const { status, output } = root.dpkg('-i', packageOf('1.0.0'))
  expect(status).not.toBe(0)
  expect(output).toContain('install.sh --uninstall')
  expect(root.has('usr/bin/shipper')).toBe(false)
  // A unit written by an administrator does not count.
  root.write('etc/systemd/system/shipper.service', '[Service]\nExecStart=/usr/bin/shipper -c a\n')
  expect(root.dpkg('-i', packageOf('1.0.0'))).toMatchObject({ status: 0 })
})

withDpkgDeb('a release candidate is older than its release', () => {
  const older = ['--compare-versions', debianVersion('1.0.0-rc.2'), 'lt', debianVersion('1.0.0')]
  expect(spawnSync('dpkg', older).status).toBe(0)
})

const shellcheck = debianProgram('shellcheck', 'shellcheck', 'usr/bin/shellcheck')

peerOrSkip(
  'shellcheck',
  shellcheck !== undefined,
  'neither on PATH nor from a Debian package',
)('the scripts of the package are clean for shellcheck', () => {
  const directory = join(ROOT, 'scripts/release/deb')
  const scripts = readdirSync(directory).map((name) => join(directory, name))
  expect(scripts).toHaveLength(4)
  const { stdout, status } = spawnSync(shellcheck ?? '', scripts, { encoding: 'utf8' })
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
})
