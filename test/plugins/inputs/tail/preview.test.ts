import { expect, test } from 'bun:test'
import { appendFileSync, chmodSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { folderOf, shipper } from '../../../support/cli.ts'

const CONFIG = `[INPUT]
    Name               tail
    Path               *.log
    Tag                app
    DB                 pos.db
    Exclude_Path       not.log
    Exit_On_Eof        on
    Read_From_Head     \${HEAD}
    Follow_Symlinks    same_owner
[OUTPUT]
    Name   null
    Match  *
`
const PREVIEWED = /\/([\w.-]+)\.log {2,}from (?:([\d,]+) of|its (beginning|end)(?:, at ([\d,]+))?)/g

/** Returns the offsets at which a start would begin, by file. */
async function previewed(cwd: string, head: string): Promise<Record<string, number>> {
  const { code, stdout } = await shipper(['-c', 'a.conf', '-D'], { cwd, env: { HEAD: head } })
  expect(code).toBe(0)
  const offset = (text: string | undefined): number => Number((text ?? '0').replaceAll(',', ''))
  return Object.fromEntries(
    [...stdout.matchAll(PREVIEWED)].map(([, name = '', from, , end]) => [name, offset(from ?? end)]),
  )
}

/** Starts the agent and returns the offsets at which it begins, by file. */
async function started(cwd: string, head: string): Promise<Record<string, number>> {
  const { code, stderr } = await shipper(['-c', 'a.conf', '-v'], { cwd, env: { HEAD: head } })
  expect(code).toBe(0)
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'))
  const followed = lines
    .map((line) => JSON.parse(line) as { message: string; from?: number })
    .filter(({ message }) => message.endsWith('.log is followed'))
  return Object.fromEntries(
    followed.map(({ message, from = -1 }) => [basename(message.split(' ')[0] as string, '.log'), from]),
  )
}

test.each(['on', 'off'])('a preview says where a start then begins, with Read_From_Head %s', async (head) => {
  const long = `${'a line of some length\n'.repeat(40)}`
  const cwd = folderOf({
    'a.conf': CONFIG,
    'grown.log': long,
    'same.log': long.replaceAll('a', 'b'),
    'replaced.log': long.replaceAll('a', 'c'),
    'not.log': 'x\n',
    'empty.log': '',
  })
  const first = await previewed(cwd, head)
  expect(Object.keys(first).sort()).toEqual(['empty', 'grown', 'replaced', 'same'])
  expect(await started(cwd, head)).toEqual(first)
  appendFileSync(join(cwd, 'grown.log'), 'more\n')
  writeFileSync(join(cwd, 'replaced.log'), 'shorter, and other\n')
  writeFileSync(join(cwd, 'new.log'), 'one\n')
  symlinkSync('new.log', join(cwd, 'link.log'))
  const second = await previewed(cwd, head)
  expect(second).toMatchObject({ grown: long.length, same: long.length, replaced: 0, new: 0 })
  const { link: _, ...ofFiles } = second
  const { link: __, ...begun } = await started(cwd, head)
  // A file and a link to it are one.
  expect({ ...begun, new: 0 }).toEqual({ ...ofFiles, new: 0 })
})

test('a file that may not be read is named with the reason', async () => {
  const cwd = folderOf({ 'a.conf': CONFIG, 'a.log': 'x\n' })
  chmodSync(join(cwd, 'a.log'), 0)
  symlinkSync('nowhere', join(cwd, 'broken.log'))
  const { stdout } = await shipper(['-c', 'a.conf', '-D'], { cwd, env: { HEAD: 'on' } })
  if (process.getuid?.() !== 0) expect(stdout).toMatch(/\/a\.log +not read: /)
  expect(stdout).toContain('tail.0  1 file of *.log')
})
