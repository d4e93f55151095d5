import { expect, test } from 'bun:test'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../../../scripts/bootstrap.mjs'
import { withoutWatchdog } from '../../../scripts/node-unit.ts'
import { shipperCommand } from '../../support/process.ts'
import { debianProgram } from '../../support/release/debian.ts'
import { SHELLS } from '../../support/release/install.ts'
import { peerOrSkip } from '../../support/skip.ts'
import { tmp } from '../../support/tmp.ts'

const UNIT = join(ROOT, 'conf/systemd/shipper.service')
const OPENRC = join(ROOT, 'conf/openrc/shipper')
const INSTALL = join(ROOT, 'scripts/install.sh')
const SCORE = /Overall exposure level for shipper\.service: (\d+\.\d+)/
/** Number of files that the limits are made for. */
const FILES = 20_000
const LIMITS = {
  unit: /^MemoryMax=(\d+)M$/m,
  openrc: /memory\.max (\d+)/,
  descriptors: /^LimitNOFILE=(\d+)$/m,
  agent: /^\s*Memory_Limit\s+(\d+)M$/m,
}

const shellcheck = debianProgram('shellcheck', 'shellcheck', 'usr/bin/shellcheck')
const analyze = debianProgram('systemd-analyze', 'systemd', 'usr/bin/systemd-analyze')
const testWithShellcheck = peerOrSkip(
  'shellcheck',
  shellcheck !== undefined,
  'no program and no Debian package',
)
const canAnalyze = analyze !== undefined && spawnSync(analyze, ['--version']).status === 0
const testWithSystemd = peerOrSkip('systemd-analyze', canAnalyze, 'no systemd here')

function output(command: string | undefined, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(command ?? '', args, { encoding: 'utf8' })
  return `${stdout}${stderr}`
}

testWithShellcheck('shellcheck finds nothing in the scripts', () => {
  expect(output(shellcheck, '--shell=sh', INSTALL, OPENRC)).toBe('')
})

testWithSystemd('systemd accepts the unit without a warning', () => {
  const unit = join(tmp(), 'shipper.service')
  const [binary = ''] = shipperCommand()
  writeFileSync(unit, readFileSync(UNIT, 'utf8').replace('/usr/local/bin/shipper', binary))
  expect(output(analyze, 'verify', '--man=no', unit)).toBe('')
})

testWithSystemd('systemd accepts the unit of the node variant without a warning', () => {
  const unit = join(tmp(), 'shipper.service')
  const [binary = ''] = shipperCommand()
  const text = withoutWatchdog(readFileSync(UNIT, 'utf8'))
  writeFileSync(unit, text.replace('/usr/local/bin/shipper', binary))
  expect(output(analyze, 'verify', '--man=no', unit)).toBe('')
})

testWithSystemd('systemd accepts each drop-in without a warning, and the limits of the unit stay', () => {
  const folder = join(ROOT, 'conf/systemd/drop-ins')
  const [binary = ''] = shipperCommand()
  const verified = (text: string): string => {
    const unit = join(tmp(), 'shipper.service')
    writeFileSync(unit, readFileSync(UNIT, 'utf8').replace('/usr/local/bin/shipper', binary))
    mkdirSync(`${unit}.d`)
    writeFileSync(join(`${unit}.d`, 'drop-in.conf'), text)
    return output(analyze, 'verify', '--man=no', unit)
  }
  expect(verified('[Service]\nNoSuchSetting=1\n')).toContain('NoSuchSetting')
  for (const name of readdirSync(folder)) {
    const text = readFileSync(join(folder, name), 'utf8')
    expect([name, verified(text)]).toEqual([name, ''])
    // An empty value would take away what the unit has.
    expect(text).not.toMatch(/^\w+=$/m)
  }
})

testWithSystemd(
  'the systemd-analyze security score is at most 2, and with systemd 252 equals the score in the guide',
  () => {
    const [, score] = SCORE.exec(output(analyze, 'security', '--offline=true', UNIT)) ?? []
    expect(Number(score)).toBeLessThanOrEqual(2)
    const guide = readFileSync(join(ROOT, 'docs/guides/install.md'), 'utf8')
    if (output(analyze, '--version').startsWith('systemd 252 ')) expect(guide).toContain(`**${score}**`)
  },
)

for (const { name, command, test } of SHELLS) {
  test(`${name}: the OpenRC script reads NAME=value lines without running anything`, () => {
    const dir = tmp()
    const lines = [
      'FORWARD_HOST=10.0.0.5',
      'QUOTED="a b"',
      '# a comment',
      'BAD-NAME=1',
      'CODE=$(touch ran)',
      'LAST=x',
    ]
    writeFileSync(join(dir, 'env'), lines.join('\n'))
    const script = `. ${OPENRC}; read_environment ${dir}/env; export -p | grep -E "FORWARD|QUOTED|BAD|CODE|LAST"; ls`
    const [file = '', ...args] = command
    const { stdout } = spawnSync(file, [...args, '-c', script], { encoding: 'utf8', cwd: dir })
    expect(stdout).toContain('10.0.0.5')
    expect(stdout).toContain('a b')
    expect(stdout).toContain('LAST')
    expect(stdout).not.toContain('BAD')
    expect(stdout.trim().split('\n').at(-1)).toBe('env')
  })
}

test('both service files allow the same memory and descriptors, enough for 20,000 files and the Memory_Limit of the configuration', () => {
  const conf = readFileSync(join(ROOT, 'conf/shipper.conf'), 'utf8')
  const memory = Number(LIMITS.agent.exec(conf)?.[1])
  const unit = Number(LIMITS.unit.exec(readFileSync(UNIT, 'utf8'))?.[1])
  expect(unit).toBe(128 + 4 * memory + FILES / 100)
  const descriptors = Number(LIMITS.descriptors.exec(readFileSync(UNIT, 'utf8'))?.[1])
  expect(descriptors).toBeGreaterThan(FILES + 1000)
  // More files than that do not fit into the memory.
  expect(descriptors).toBeLessThan(1.25 * FILES)
  expect(Number(/-n (\d+)/.exec(readFileSync(OPENRC, 'utf8'))?.[1])).toBe(descriptors)
  expect(Number(LIMITS.openrc.exec(readFileSync(OPENRC, 'utf8'))?.[1])).toBe(unit * 2 ** 20)
})
