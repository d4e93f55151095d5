import { expect, test } from 'bun:test'
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { movedOutputs, readTargets, targetsOf, writeTargets } from '../../src/agent/buffer-targets.ts'
import { bufferWarnings } from '../../src/agent/buffer-warnings.ts'
import { openBuffer } from '../../src/agent/open-buffer.ts'
import { loadPlan } from '../../src/config/load.ts'
import type { BufferPlan, Plan } from '../../src/core/plan.ts'
import type { Logger } from '../../src/core/services.ts'
import { registry } from '../../src/registry.ts'
import { textChunk } from '../support/segments/logs.ts'
import { tmp } from '../support/tmp.ts'

const FILE = 'buffer.targets.json'
const SECRET = '[OUTPUT]\n    Name forward\n    Match secret\n    Host 10.0.0.1\n'
const PUBLIC = '[OUTPUT]\n    Name forward\n    Match public\n    Host 10.0.0.2\n'

async function planWith(folder: string, outputs: string): Promise<Plan> {
  const file = join(folder, 'agent.conf')
  writeFileSync(
    file,
    `[SERVICE]\n    storage.path ${folder}/buffer\n[INPUT]\n    Name dummy\n    storage.type filesystem\n${outputs}`,
  )
  const { plan, problems } = await loadPlan({ file, flags: undefined, registry, env: {} })
  expect(problems).toEqual([])
  return plan as Plan
}

/** Opens the buffer as a start does; returns it with what was logged. */
async function open(plan: Plan) {
  const lines: string[] = []
  const log: Logger = { error() {}, warn: (text) => void lines.push(text), info() {}, debug() {} }
  const names = plan.outputs.map(({ name }) => name)
  const none = (): void => {}
  return { segments: await openBuffer(plan, plan.buffer as BufferPlan, names, log, none, none), lines }
}

const MOVED =
  'the buffer has 3 records for the output forward.0, which was forward 10.0.0.1:24224 in the last run and is forward 10.0.0.2:24224 now: they are sent there; give each output an Alias, so that another section does not change its name'

test('an output without an Alias whose records would go elsewhere is reported by -D and at the start', async () => {
  const folder = tmp()
  const first = await open(await planWith(folder, SECRET))
  first.segments.append(textChunk('secret', { count: 3 }), ['forward.0'])
  await first.segments.close()
  const same = await planWith(folder, `${SECRET}${PUBLIC}`)
  expect(bufferWarnings(same)).toEqual([])
  const moved = await planWith(folder, `${PUBLIC}${SECRET}`)
  expect(bufferWarnings(moved)).toEqual([MOVED])
  const second = await open(moved)
  expect([first.lines, second.lines]).toEqual([[], [MOVED]])
  await second.segments.close()
})

test('an output with an Alias may get another address, and one for which nothing waits, too', async () => {
  const folder = tmp()
  const named = (host: string): string => `${SECRET.replace('10.0.0.1', host)}    Alias out\n`
  const first = await open(await planWith(folder, `${named('10.0.0.1')}${SECRET}`))
  first.segments.append(textChunk('secret', { count: 3 }), ['out'])
  await first.segments.close()
  const second = await open(await planWith(folder, `${named('10.0.0.9')}${PUBLIC}`))
  expect(second.lines).toEqual([])
  await second.segments.close()
})

test('where an output sent to is kept while it is not in the configuration and records wait', async () => {
  const folder = tmp()
  const first = await open(await planWith(folder, SECRET))
  first.segments.append(textChunk('secret', { count: 3 }), ['forward.0'])
  await first.segments.close()
  const other = await open(await planWith(folder, `${PUBLIC}    Alias new\n`))
  await other.segments.close()
  expect(readTargets(join(folder, 'buffer'))).toEqual(
    new Map([
      ['forward.0', 'forward 10.0.0.1:24224'],
      ['new', 'forward 10.0.0.2:24224'],
    ]),
  )
  const moved = await open(await planWith(folder, PUBLIC))
  expect(moved.lines).toEqual([MOVED])
  await moved.segments.close()
})

test('the file is for its owner, and is written when something changes', async () => {
  const folder = tmp()
  const targets = new Map([['__proto__', 'tcp a:1']])
  expect(writeTargets(folder, targets, new Map())).toBeUndefined()
  const path = join(folder, FILE)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readTargets(folder)).toEqual(targets)
  writeFileSync(path, 'x')
  expect(writeTargets(folder, targets, targets)).toBeUndefined()
  expect(readFileSync(path, 'utf8')).toBe('x')
  expect(writeTargets(join(folder, 'none'), targets, new Map())?.code).toBe('ENOENT')
})

test('a damaged file is reported and replaced', async () => {
  const folder = tmp()
  const plan = await planWith(folder, SECRET)
  await (await open(plan)).segments.close()
  const path = join(folder, 'buffer', FILE)
  writeFileSync(path, '{"forward.0":')
  const again = await open(plan)
  expect(again.lines).toEqual([expect.stringContaining(`${path} is damaged`)])
  await again.segments.close()
  expect(readTargets(join(folder, 'buffer'))).toEqual(targetsOf(plan, [], new Map()))
  expect(movedOutputs(plan, new Map(), () => 1)).toEqual([])
})

test('a folder that every user may write to is reported, and files in it are for their owner', async () => {
  const folder = tmp()
  const plan = await planWith(folder, `${SECRET}    Alias out\n`)
  const buffer = join(folder, 'buffer')
  mkdirSync(buffer)
  chmodSync(buffer, 0o777)
  const text = `other users may write to the buffer ${buffer} (permissions 777), and so add, change and delete records: chmod 700 ${buffer}`
  expect(bufferWarnings(plan)).toEqual([text])
  const { segments, lines } = await open(plan)
  expect(lines).toEqual([text])
  expect(statSync(join(buffer, 'buffer.lock')).mode & 0o777).toBe(0o600)
  await segments.close()
})

test('a lock that cannot be taken is an error of the buffer', async () => {
  const folder = tmp()
  const plan = await planWith(folder, SECRET)
  mkdirSync(join(folder, 'buffer', 'buffer.lock'), { recursive: true })
  const error = await open(plan).catch((refusal) => refusal)
  expect([error.code, error.message, error.hint]).toEqual([
    'E_BUFFER',
    `the buffer ${folder}/buffer cannot be locked: cannot open ${folder}/buffer/buffer.lock: it is a directory`,
    'make the folder and its files writable for this user, or choose another one with storage.path',
  ])
})
