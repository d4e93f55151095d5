import { expect } from 'bun:test'
import { existsSync, lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CONF, machineWith, SHELLS, UNIT } from '../../support/release/install.ts'
import { BINARY_NAME, releaseOf } from '../../support/release/release.ts'
import { tmp } from '../../support/tmp.ts'

/** A binary that writes down the environment in which it is called. */
function spy(to: string): Buffer {
  return Buffer.from(`#!/bin/sh
/usr/bin/env >>${to}
case " $* " in *' --version '*) echo 'shipper 1.0.0 (0123456789), linux, bun 1.4.5' ;; *' -D '*) ;; *) exec sleep 600 ;; esac
${'#'.repeat(200_000)}
`)
}

const DANGEROUS = [
  'LD_PRELOAD=/tmp/evil.so',
  'LD_LIBRARY_PATH=/tmp/evil',
  'PATH=/tmp/evil',
  'BUN_OPTIONS=--preload=/tmp/evil.js',
  'BUN_INSPECT=/tmp/evil',
  'NODE_OPTIONS=--require=/tmp/evil.js',
  'GCONV_PATH=/tmp/evil',
  'BASH_ENV=/tmp/evil',
  'ENV=/tmp/evil',
  'TMPDIR=/tmp/evil',
  'NODE_EXTRA_CA_CERTS=/tmp/evil',
]

for (const { name, command: shell, test } of SHELLS) {
  test(`${name}: shipper.env cannot make the installer, which is root, load or run anything else`, async () => {
    const seen = join(tmp(), 'seen')
    const { machine, server } = await machineWith({ version: '1.0.0' })
    for (const [file, bytes] of releaseOf(spy(seen))) server.files.set(`/v1.0.0/${file}`, bytes)
    expect(server.files.has(`/v1.0.0/${BINARY_NAME}`)).toBe(true)
    mkdirSync(machine.path('etc/shipper'))
    machine.write('etc/shipper/shipper.env', `${DANGEROUS.join('\n')}\nFORWARD_PORT=4711\nTOKEN='a b'\n`)
    expect(await machine.run(['--no-start'], { shell })).toMatchObject({ code: 0 })
    const environment = readFileSync(seen, 'utf8')
    expect(environment).toContain('FORWARD_PORT=4711\n')
    expect(environment).toContain('TOKEN=a b\n')
    expect(environment).not.toContain('evil')
  })

  test(`${name}: links that somebody prepared under the names of drafts and backups are not followed`, async () => {
    const { machine } = await machineWith({ version: '1.0.0' })
    const victim = join(tmp(), 'victim')
    writeFileSync(victim, 'precious')
    const prepare = (): void => {
      for (const path of [CONF, 'etc/shipper/parsers.conf', UNIT, 'usr/local/bin/shipper']) {
        const at = path.lastIndexOf('/') + 1
        mkdirSync(machine.path(path.slice(0, at)), { recursive: true })
        for (const kind of ['new', 'old']) {
          const link = machine.path(`${path.slice(0, at)}.${path.slice(at)}.${kind}-shipper`)
          if (!existsSync(link)) symlinkSync(victim, link)
        }
      }
    }
    prepare()
    expect(await machine.run(['--no-start'], { shell })).toMatchObject({ code: 0 })
    prepare()
    // The second run has a file to back up, and a new default beside the changed configuration.
    machine.write(CONF, '# changed\n')
    expect(await machine.run(['--no-start'], { shell })).toMatchObject({ code: 0 })
    expect(readFileSync(victim, 'utf8')).toBe('precious')
    for (const path of [CONF, UNIT, 'usr/local/bin/shipper'])
      expect(lstatSync(machine.path(path)).isFile()).toBe(true)
  })
}
