import { afterEach, describe, expect, test } from 'bun:test'
import { execFileSync } from 'node:child_process'
import { lchownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkPlan, planPlaceProblems } from '../../src/agent/dry-run.ts'
import { Flags } from '../../src/config/flags.ts'
import { loadPlan } from '../../src/config/load.ts'
import { formatLocation, ShipperError } from '../../src/core/error.ts'
import type { Plan } from '../../src/core/plan.ts'
import { registry } from '../../src/registry.ts'
import { Authority } from '../support/certs.ts'
import { CollectingOutput } from '../support/engine/assembled.ts'
import { Lines, planOf } from '../support/engine/plan.ts'
import { tmp } from '../support/tmp.ts'

test('a valid plan has no problems, and each stage is closed without being started', async () => {
  const did: string[] = []
  const note = (name: string) => async () => void did.push(name)
  const plan = planOf({
    inputs: [
      {
        name: 'in.0',
        create: (ctx) => Object.assign(new Lines(ctx, []), { run: note('run'), close: note('close in') }),
      },
    ],
    filters: [
      { name: 'f.0', create: () => ({ apply() {}, start: note('start f'), close: note('close f') }) },
    ],
    outputs: [
      {
        name: 'out.0',
        create: () =>
          Object.assign(new CollectingOutput(), { start: note('start'), close: note('close out') }),
      },
    ],
  })
  expect(await checkPlan(plan, '1.2.3')).toMatchObject({ problems: [], warnings: [] })
  expect(did.sort()).toEqual(['close f', 'close in', 'close out'])
})

const plugins = (['input', 'filter', 'output'] as const).flatMap((kind) =>
  registry.names(kind).map((name) => ({ kind, name })),
)

test.each(plugins)(
  'the example of $kind $name has no problems, and its check leaves nothing open',
  async ({ kind, name }) => {
    const folder = tmp()
    const example = (await registry.find(kind, name))?.example ?? ''
    const input = example.includes('[INPUT]')
      ? ''
      : `[INPUT]\n    Name tail\n    Path ${folder}/x\n    DB ${folder}/pos.db\n`
    const output = example.includes('[OUTPUT]') ? '' : '[OUTPUT]\n    Name null\n    Match *\n'
    const file = join(folder, 'example.conf')
    writeFileSync(file, `${example}\n${input}${output}`)
    const { plan, problems } = await loadPlan({ file, flags: undefined, registry, env: {} })
    expect(problems).toEqual([])
    const before = readdirSync('/proc/self/fd').length
    const checked = await checkPlan(plan as Plan, '1.2.3')
    // Files that only the machine of the example has are missed.
    const others = checked.problems.filter(({ message }) => !/ cannot (be )?(read|loaded)/.test(message))
    expect([others, checked.warnings]).toEqual([[], []])
    expect(readdirSync('/proc/self/fd').length).toBe(before)
  },
)

test('a problem with one value of a repeated option has the place of that value', async () => {
  const file = join(tmp(), 'shipper.conf')
  const records = ['a ${record["x"]}', 'b ${record.map { 1 }}', 'c 1'].map((text) => `    Record ${text}\n`)
  const filter = `[FILTER]\n    Name record_transformer\n    Match *\n    Enable_Ruby on\n${records.join('')}`
  writeFileSync(file, `[INPUT]\n    Name mem\n[OUTPUT]\n    Name null\n    Match *\n${filter}`)
  const { plan } = await loadPlan({ file, flags: undefined, registry, env: {} })
  const { problems } = await checkPlan(plan as Plan, '1.2.3')
  expect(problems.map(({ message, location }) => [message, location?.line])).toEqual([
    [
      '[record_transformer] only a part of Ruby is translated, without a block of "map" in ${record.map { 1 }}, character 14',
      11,
    ],
  ])
})

const FILES_OF_TLS: [string, string][] = [
  ['tls.crt_file CERT', 'tls.crt_file needs tls.key_file'],
  [
    'tls.crt_file CERT\n    tls.key_file OTHER',
    'tls.key_file OTHER does not belong to the certificate of tls.crt_file CERT',
  ],
  ['tls.ca_file NONE', 'tls.ca_file NONE has no certificate that can be read'],
  [
    'proxy https://127.0.0.1:1\n    tls.proxy.ca_file NONE',
    'tls.proxy.ca_file NONE has no certificate that can be read',
  ],
]

test('what is wrong with the files of TLS is found by a check for every output, all together', async () => {
  const folder = tmp()
  const authority = new Authority()
  const { cert } = authority.issue('a')
  const files = { CERT: cert, OTHER: authority.issue('b').key, NONE: 'host\n' }
  const named = (text: string): string => text.replace(/CERT|OTHER|NONE/g, (name) => join(folder, name))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content)
  let text = '[INPUT]\n    Name mem\n'
  const expected: string[] = []
  for (const name of registry.names('output')) {
    const spec = await registry.find('output', name)
    if (spec?.options['tls.ca_file']?.isFile !== true) continue
    for (const [options, message] of FILES_OF_TLS) {
      if (options.startsWith('proxy ') && !Object.hasOwn(spec?.options ?? {}, 'proxy')) continue
      const tls = spec.options.mode === undefined ? 'tls on' : 'mode tls'
      const isEncrypted = options.startsWith('proxy ') ? '' : `    ${tls}\n`
      text += `${spec?.example.replace(/^ *(?:mode|port) .*\n/gim, '')}${isEncrypted}    ${named(options)}\n`
      expected.push(`[${name}] ${named(message)}`)
    }
  }
  expect(expected.length).toBeGreaterThan(60)
  const file = join(folder, 'shipper.conf')
  writeFileSync(file, text)
  const { plan, problems: faults } = await loadPlan({ file, flags: undefined, registry, env: {} })
  expect(faults).toEqual([])
  const { problems } = await checkPlan(plan as Plan, '1.2.3')
  expect(problems.map(({ message }) => message).toSorted()).toEqual(expected.toSorted())
})

const TAIL = '[INPUT]\n    Name tail\n    Path a\n    Tag kube.*\n'
const NULL = '[OUTPUT]\n    Name null\n    Match *\n'
const kafka = (options: string): string => `${TAIL}[OUTPUT]\n    Name kafka\n    Match *\n    ${options}\n`

test.each([
  [
    'a.conf:8:16',
    `${TAIL}[FILTER]\n    Name grep\n    Match *\n    Logical_Op AND\n    Regex a b\n    Exclude a c\n${NULL}`,
    '[grep] Regex and',
  ],
  ['a.conf:8:13', kafka('Brokers h:0\n    Topics t'), '[kafka] "h:0" in brokers is not'],
  ['a.conf:8:15', kafka('Topic_Key $['), '[kafka] "$[" is not a record accessor: there is no key after "$"'],
  ['a.conf:9:17', kafka('Acks 1\n    Idempotence on'), '[kafka] idempotence requires acks all'],
  ['a.conf:8:20', kafka('Sasl_Mechanism PLAIN'), '[kafka] SASL requires'],
  ['a.conf:8:18', kafka('tls.crt_file x\n    tls on'), '[kafka] tls.crt_file needs tls.key_file'],
])(
  'a problem found at creation is reported at the position of its option, %s',
  async (place, text, message) => {
    const folder = tmp()
    writeFileSync(join(folder, 'a.conf'), text)
    const { plan, problems } = await loadPlan({
      file: join(folder, 'a.conf'),
      flags: undefined,
      registry,
      env: {},
    })
    expect(problems).toEqual([])
    const { problems: found } = await checkPlan(plan as Plan, '1.2.3')
    const places = found.map((p) => formatLocation(p.location).replace(`${folder}/`, ''))
    expect([...new Set(places)]).toEqual([place])
    expect(found[0]?.message).toStartWith(message)
  },
)

const LUA = `${TAIL}[FILTER]\n    Name lua\n    Match *\n`

test.each([
  [
    'a.conf:9:12',
    'Call cb\n    Script none.lua',
    '[lua] the script none.lua cannot be read: ENOENT: no such file',
  ],
  ['a.conf:9:12', 'Call cb\n    Script FOLDER/pipe', 'cannot be read: it is not a regular file'],
  ['a.conf:9:12', 'Call cb\n    Script /dev/zero', 'cannot be read: it is not a regular file'],
  ['a.conf:9:10', 'Call cb\n    Code function cb( end', '[lua] the script cannot be loaded: code:1: '],
  [
    'a.conf:9:10',
    'Code function f() end\n    Call cb',
    '[lua] the script cannot be loaded: there is no function "cb"',
  ],
])(
  'a script of lua that cannot be loaded is a problem at the position of its option, %s: %s',
  async (place, options, message) => {
    const folder = tmp()
    execFileSync('mkfifo', [join(folder, 'pipe')])
    const file = join(folder, 'a.conf')
    writeFileSync(file, `${LUA}    ${options.replace('FOLDER', folder)}\n${NULL}`)
    const { plan } = await loadPlan({ file, flags: undefined, registry, env: {} })
    const { problems } = await checkPlan(plan as Plan, '1.2.3')
    expect(problems.map(({ location }) => formatLocation(location).replace(`${folder}/`, ''))).toEqual([
      place,
    ])
    expect(problems[0]?.message).toContain(message)
  },
)

test.each([
  ['', '', ['lua.0: no dead-letter file: a record on which the filter fails will wait']],
  ['    On_Error pass\n', '', []],
  ['    Dead_Letter_File off\n', '', []],
  ['    Dead_Letter_File dead.jsonl\n', '', []],
  ['', '    DB pos.db\n', []],
])(
  'a filter that fails on records and has no place for them is warned of; options %j, DB %j',
  async (options, db, expected) => {
    const folder = tmp()
    const file = join(folder, 'a.conf')
    const filter = `[FILTER]\n    Name lua\n    Match *\n    Call cb\n    Code function cb() end\n${options}`
    writeFileSync(file, `${TAIL}${db}${filter}${NULL}`)
    const { plan } = await loadPlan({ file, flags: undefined, registry, env: {} })
    const { problems, warnings } = await checkPlan(plan as Plan, '1.2.3')
    expect(problems).toEqual([])
    expect(warnings.map((one) => one.replace(/, and its input.*/, ''))).toEqual(expected)
  },
)

const ES = '[OUTPUT]\n    Name es\n    Match *\n'
const REFUSED =
  'es.0: no dead-letter file: a record that is refused will wait, and later records with its tag'

describe('an output to which a server may refuse records', () => {
  afterEach(() => {
    delete process.env.SHIPPER_STATE
  })

  test.each([
    ['', '', undefined, [REFUSED]],
    ['    Dead_Letter_File off\n', '', undefined, []],
    ['    Dead_Letter_File dead.jsonl\n', '', undefined, []],
    ['    Retry_Limit 3\n', '', undefined, []],
    ['', '    DB pos.db\n', undefined, []],
    ['', '', '/tmp', []],
  ])(
    'is warned of without a place for them; options %j, DB %j, SHIPPER_STATE %j',
    async (options, db, state, expected) => {
      if (state !== undefined) process.env.SHIPPER_STATE = state
      const file = join(tmp(), 'a.conf')
      writeFileSync(file, `${TAIL}${db}${ES}${options}`)
      const { plan } = await loadPlan({ file, flags: undefined, registry, env: {} })
      const { problems, warnings } = await checkPlan(plan as Plan, '1.2.3')
      expect(problems).toEqual([])
      expect(warnings.filter((warning) => warning.includes('dead-letter'))).toEqual(expected)
    },
  )
})

test('a check creates no file, directory or database', async () => {
  const folder = tmp()
  const flags = new Flags()
  flags.begin('input', 'tail')
  for (const option of [`path=${folder}/*.log`, `db=${folder}/pos.db`]) flags.property(option)
  flags.begin('output', 'file')
  for (const option of [`path=${folder}/out`, 'mkdir=on']) flags.property(option)
  flags.service('log_file', `${folder}/agent.log`)
  const { plan } = await loadPlan({ file: undefined, flags: flags.tree, registry, env: {} })
  expect(await checkPlan(plan as Plan, '1.2.3')).toMatchObject({ problems: [], warnings: [] })
  expect(readdirSync(folder)).toEqual([])
})

const FILES = (db: string, log: string, file: string, dead: string): string =>
  `[SERVICE]\n    Log_File ${log}\n[INPUT]\n    Name tail\n    Path app.log\n    DB ${db}\n` +
  `[OUTPUT]\n    Name file\n    Match *\n    Path .\n    File ${file}\n    Dead_Letter_File ${dead}\n`

test.each([
  ['an output that writes into the database', FILES('a', 'b', 'a', 'c'), 'the file of file.0 is a,'],
  [
    'an output that writes into the lock of the database',
    FILES('a', 'b', 'a.lock', 'c'),
    'DB of tail.0 (.lock)',
  ],
  ['a database that is the log', FILES('a', 'a', 'b', 'c'), 'Log_File is a,'],
  ['dead letters in the database', FILES('a', 'b', 'c', 'a'), 'Dead_Letter_File of file.0 is a,'],
  ['dead letters among the records', FILES('a', 'b', 'c', 'c'), 'the file of file.0 is c,'],
  [
    'dead letters by another name of the database',
    FILES('link', 'b', 'c', 'target'),
    'the file of DB of tail.0',
  ],
])('%s is a problem: each would destroy what the other keeps', async (_, text, message) => {
  const folder = tmp()
  const at = (name: string): string => join(folder, name)
  writeFileSync(at('target'), '')
  symlinkSync(at('target'), at('link'))
  const absolute = text
    .replaceAll(/(DB|Log_File|File) (\w[\w.]*)$/gm, `$1 ${folder}/$2`)
    .replace('    Path .\n', '')
  writeFileSync(at('a.conf'), absolute)
  const { plan } = await loadPlan({ file: at('a.conf'), flags: undefined, registry, env: {} })
  const { problems } = await checkPlan(plan as Plan, '1.2.3')
  expect(problems.map((p) => p.message.replaceAll(`${folder}/`, ''))).toEqual([
    expect.stringContaining(message),
  ])
})

test('an output that writes what an input reads, whose records it gets, is warned of', async () => {
  const folder = tmp()
  const load = async (tail: string, match: string) => {
    const file = join(folder, 'a.conf')
    writeFileSync(
      file,
      `[INPUT]\n    Name tail\n    Path ${folder}/*.log\n    Tag app\n${tail}[OUTPUT]\n    Name file\n    Match ${match}\n    Path ${folder}\n    File all.log\n`,
    )
    return (await loadPlan({ file, flags: undefined, registry, env: {} })).warnings
  }
  expect(await load('', '*')).toEqual([expect.stringContaining('file.0 writes')])
  expect(await load('    Exclude_Path */all.log\n', '*')).toEqual([])
  expect((await load('', 'other')).join()).not.toContain('without an end')
})

test('devices and the files of two outputs for the same purpose may be shared', async () => {
  const folder = tmp()
  const text = FILES(`${folder}/a`, '/dev/null', '/dev/null', `${folder}/c`).replace('    Path .\n', '')
  writeFileSync(join(folder, 'a.conf'), text + text.slice(text.indexOf('[OUTPUT]')))
  const { plan } = await loadPlan({ file: join(folder, 'a.conf'), flags: undefined, registry, env: {} })
  expect((await checkPlan(plan as Plan, '1.2.3')).problems).toEqual([])
})

test('all problems are reported, each with its position', async () => {
  const refuse = (message: string) => (): never => {
    throw new ShipperError('E_CONFIG_BAD_VALUE', message)
  }
  const plan = planOf({
    inputs: [{ name: 'in.0', create: refuse('one') }],
    outputs: [{ name: 'out.0', create: refuse('two') }],
  })
  const at = (line: number) => ({ location: { file: 'a.conf', line } })
  Object.assign(plan.inputs[0] ?? {}, at(1))
  Object.assign(plan.outputs[0] ?? {}, at(5))
  const { problems } = await checkPlan(plan, '1.2.3')
  expect(problems.map((p) => `${formatLocation(p.location)}: ${p.message}`)).toEqual([
    'a.conf:5: [keep] two',
    'a.conf:1: [lines] one',
  ])
})

describe('the folder of the buffer on disk', () => {
  const folder = tmp()
  writeFileSync(join(folder, 'file'), '')
  mkdirSync(join(folder, 'there'))
  symlinkSync(join(folder, 'there'), join(folder, 'own'))
  symlinkSync(join(folder, 'there'), join(folder, 'foreign'))
  const of = async (path: string): Promise<string[]> => {
    const plan = planOf({ inputs: [{ name: 'in.0', create: (ctx) => new Lines(ctx, []) }] })
    const buffer = {
      folder: path,
      inputs: ['in.0'],
      memoryBytes: 5e6,
      maxChunks: 128,
      deletesDamaged: false,
      flushesAtStop: false,
      limits: new Map(),
    }
    return planPlaceProblems({ ...plan, buffer }).map(({ code, message }) => `${code} ${message}`)
  }

  test.each(['there', 'there/', 'own', 'none/new'])(
    'may be %s: a directory, or nothing yet',
    async (name) => {
      expect(await of(join(folder, name))).toEqual([])
    },
  )

  test.each([
    ['file', 'is not a directory'],
    ['file/below', 'is below something that is not a directory'],
  ])('is reported when it cannot be one: %s', async (name, reason) => {
    const path = join(folder, name)
    expect(await of(path)).toEqual([`E_BUFFER storage.path ${path} ${reason}: nothing can be kept there`])
  })

  test.skipIf(process.getuid?.() !== 0)('is no link that another user has made', async () => {
    lchownSync(join(folder, 'foreign'), 4711, 4711)
    for (const name of ['foreign', 'foreign/'])
      expect(await of(join(folder, name))).toEqual([
        expect.stringContaining('is a link that another user has made'),
      ])
  })
})

test('a file that does not exist is reported once, by the output that reads it', async () => {
  const file = join(tmp(), 'shipper.conf')
  const loki = '[OUTPUT]\n    Name loki\n    Match *\n    Label_Map_Path /none/a.json\n'
  writeFileSync(file, `[INPUT]\n    Name mem\n${loki}`)
  const { plan } = await loadPlan({ file, flags: undefined, registry, env: {} })
  const { problems } = await checkPlan(plan as Plan, '1.2.3')
  expect(problems.map(({ message }) => message)).toEqual([
    expect.stringContaining('Label_Map_Path /none/a.json cannot be used'),
  ])
})
