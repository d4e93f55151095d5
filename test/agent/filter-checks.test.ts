import { describe, expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkPlan } from '../../src/agent/dry-run.ts'
import { memoryNeed } from '../../src/agent/memory-need.ts'
import { Flags } from '../../src/config/flags.ts'
import { loadPlan } from '../../src/config/load.ts'
import { formatLocation } from '../../src/core/error.ts'
import type { Plan } from '../../src/core/plan.ts'
import { registry } from '../../src/registry.ts'
import { tmp } from '../support/tmp.ts'

/** Makes the plan of a configuration with these filters; `DIR` in them is its folder. */
async function planWith(filters: string, dir = tmp()): Promise<{ plan: Plan; dir: string }> {
  const file = join(dir, 'a.conf')
  const text = `[INPUT]\n    Name dummy\n${filters}[OUTPUT]\n    Name null\n    Match *\n`
  writeFileSync(file, text.replaceAll('DIR', dir))
  const { plan, problems } = await loadPlan({ file, flags: new Flags().tree, registry, env: {} })
  expect(problems).toEqual([])
  return { plan: plan as Plan, dir }
}

async function problemsOf(filters: string, dir = tmp()): Promise<string[]> {
  const { plan } = await planWith(filters, dir)
  const { problems } = await checkPlan(plan, '1.2.3')
  return problems.map(({ location, message }) =>
    `${formatLocation(location)}: ${message}`.replaceAll(`${dir}/`, ''),
  )
}

const GEO = '    Lookup_key ip\n    Record a ip %{a}\n'
const LIST = '    Record listed true\n'

describe('a check without a start finds, at the place of the option,', () => {
  test.each([
    ['checklist', 'File DIR/none.txt', LIST, 'cannot read the patterns from none.txt'],
    ['checklist', 'File DIR/long.txt', LIST, 'long.txt: line 2 has more than 4096 bytes'],
    ['checklist', 'File DIR/fifo', LIST, 'cannot read the patterns from fifo: it is not a regular file'],
    [
      'checklist',
      'File /dev/null',
      LIST,
      'cannot read the patterns from /dev/null: it is not a regular file',
    ],
    ['geoip2', 'Database DIR/none.mmdb', GEO, 'cannot read the database none.mmdb'],
    ['geoip2', 'Database DIR/long.txt', GEO, 'long.txt is not a MaxMind database'],
    ['lua', 'Script none.lua', '    Call cb\n', 'the script none.lua cannot be read: ENOENT'],
    ['lua', 'Script DIR/fifo', '    Call cb\n', 'the script fifo cannot be read: it is not a regular file'],
    ['script', 'Script DIR/none.js', '', 'script none.js cannot be loaded: ENOENT'],
    ['script', 'Script DIR/folder', '', 'script folder cannot be loaded: it is not a regular file'],
    [
      'redact',
      'Hash_Key_File DIR/none.key',
      '    Kind email\n    Action hash\n',
      'Hash_Key_File none.key cannot',
    ],
    [
      'redact',
      'Hash_Key_File DIR/short',
      '    Kind email\n    Action hash\n',
      'Hash_Key_File has less than 16 bytes',
    ],
  ])('of %s: %s', async (name, option, rest, message) => {
    const dir = tmp()
    writeFileSync(join(dir, 'long.txt'), `a\n${'b'.repeat(4097)}\n`)
    writeFileSync(join(dir, 'short'), 'key\n')
    mkdirSync(join(dir, 'folder'))
    execFileSync('mkfifo', [join(dir, 'fifo')])
    const found = await problemsOf(`[FILTER]\n    Name ${name}\n    Match *\n    ${option}\n${rest}`, dir)
    expect(found).toHaveLength(1)
    const column = 6 + option.indexOf(' ')
    expect(found[0]).toStartWith(`a.conf:6:${column}: [${name}] ${message}`)
  })

  test('a filter lua with neither Script nor Code', async () => {
    expect(await problemsOf('[FILTER]\n    Name lua\n    Match *\n    Call cb\n')).toEqual([
      'a.conf:3:1: [lua] a filter lua needs "script" or "code"',
    ])
  })

  test('nothing when the files are there, beside the configuration too', async () => {
    const dir = tmp()
    writeFileSync(join(dir, 'a.lua'), 'function cb() return 0 end')
    writeFileSync(join(dir, 'a.js'), 'export function cb() { return [0] }')
    writeFileSync(join(dir, 'list'), 'a\n')
    const filters = [
      'lua\n    Call cb\n    Script a.lua',
      'script\n    Script a.js',
      `checklist\n    File DIR/list\n${LIST}`,
    ]
    const text = filters.map((one) => `[FILTER]\n    Match *\n    Name ${one.trimEnd()}\n`).join('')
    expect(await problemsOf(text, dir)).toEqual([])
  })
})

test('the memory of the plan has what filters take themselves, and scripts once', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'list'), 'abc\n'.repeat(1000))
  writeFileSync(join(dir, 'a.mmdb'), Buffer.alloc(5000))
  const lua = '[FILTER]\n    Name lua\n    Match *\n    Call cb\n    Code function cb() end\n'
  const script = '[FILTER]\n    Name script\n    Match *\n    Script a.js\n'
  const { plan } = await planWith(
    `${lua}${lua}    Memory_Limit 30M\n${script}${script}[FILTER]\n    Name checklist\n    Match *\n    File DIR/list\n${LIST}` +
      `[FILTER]\n    Name geoip2\n    Match *\n    Database DIR/a.mmdb\n${GEO}`,
    dir,
  )
  const { bytes, filters } = memoryNeed(plan, 0)
  expect(filters.map(({ name, bytes: own }) => [name, own])).toEqual([
    ['lua.0', 64_000_000],
    ['lua.1', 30_000_000],
    ['all filters script', 200_000_000],
    ['checklist.0', expect.any(Number) as number],
    ['geoip2.0', 5000],
  ])
  const without = memoryNeed({ ...plan, filters: [] }, 0)
  expect(without.filters).toEqual([])
  expect(bytes - without.bytes).toBe(filters.reduce((sum, { bytes: own }) => sum + own, 0))
  // At least the file and its patterns, and no multiple that nobody would plan for.
  expect(filters[3]?.bytes).toBeWithin(4000 + 1000 * 8, 4000 * 50)
})

test('the memory of the plan has a record that is larger than usual, as often as an output may have it', async () => {
  const dir = tmp()
  const tail = (size: string) => `[INPUT]\n    Name tail\n    Path DIR/*.log\n    Buffer_Max_Size ${size}\n`
  const { plan } = await planWith(`${tail('2M')}${tail('32M')}${tail('64K')}`, dir)
  const { bytes, records } = memoryNeed(plan, 0)
  expect(records).toMatchObject({ name: 'tail.1', recordBytes: 32_000_000 })
  const usual = memoryNeed((await planWith(tail('1M'), dir)).plan, 0)
  expect(usual.records).toBeUndefined()
  expect(bytes - usual.bytes).toBe(4 * 32_000_000)
})
