import { expect, test } from 'bun:test'
import { sortByLocation } from '../../src/config/config-tree.ts'
import { ShipperError, type SourceLocation } from '../../src/core/error.ts'
import { load, OUT } from './loading.ts'

test('a plan has typed options, names numbered per plugin, and the instance name as tag', async () => {
  const { plan, reported, warnings } = await load(
    `[SERVICE]\n    Flush 0.5\n[INPUT]\n    NAME Follow\n    path a,b\n    PATH c\n    DB.Sync OFF\n    Tag app\n` +
      `[INPUT]\n    Name follow\n    Path d\n    From_Head on\n[INPUT]\n    Name clock\n    Alias tick\n${OUT}`,
  )
  expect(reported).toEqual([])
  expect(warnings).toEqual([])
  expect(plan?.service.flush).toBe(500)
  expect(plan?.inputs.map((i) => [i.name, i.tag, i.options])).toEqual([
    [
      'follow.0',
      'app',
      {
        path: [['a', 'b'], ['c']],
        refreshInterval: 60_000,
        readFromHead: false,
        parser: undefined,
        bufferChunkSize: 32_000,
        dbSync: 'off',
      },
    ],
    ['follow.1', 'follow.1', expect.objectContaining({ readFromHead: true })],
    ['tick', 'clock.0', {}],
  ])
  expect(plan?.outputs[0]?.common).toMatchObject({ match: '*', retryLimit: 'no_limits' })
})

test('a configuration with problems yields no plan; all problems are reported in order, with the nearest names', async () => {
  const { plan, reported } = await load(
    `[SERVICE]\n    Flsh 1\n    Http_Port 70000\n[INPT]\n    Name x\n[INPUT]\n    Name folow\n[INPUT]\n    Name follow\n` +
      `    Refresh_Intervall 5\n    refresh_interval abc\n    db.sync ful\n[OUTPUT]\n    Name send\n    Match *\n    Retry_Limit 0\n    Match_Regex (\n[FILTER]\n    Match *\n`,
  )
  expect(plan).toBeUndefined()
  expect(reported).toEqual([
    'a.conf:3:15: [service] "Http_Port" must be an integer from 0 to 65535, not "70000"',
    'a.conf:4:1: unknown section [INPT] (did you mean INPUT?)',
    'a.conf:7:10: unknown input "folow" (did you mean follow?)',
    'a.conf:8:1: [follow] required option "path" is missing',
    'a.conf:10:5: [follow] unknown option "Refresh_Intervall" (did you mean refresh_interval?)',
    'a.conf:11:22: [follow] "refresh_interval" must be a time like 60 or 5m of at least 1ms, not "abc"',
    'a.conf:12:13: [follow] "db.sync" must be one of full, normal, off, not "ful" (did you mean full?)',
    'a.conf:17:17: [send] "Match_Regex" must be a regular expression, not "(": unsupported regular expression: a group without a closing parenthesis, near character 2',
    'a.conf:18:1: [filter] required option "name" is missing',
  ])
})

test('a command line needs an input and an output', async () => {
  expect((await load(undefined)).problems.map((p) => p.code)).toEqual([
    'E_CONFIG_NO_INPUT',
    'E_CONFIG_NO_OUTPUT',
  ])
})

test.each([
  ['[SERVICE]\n    Flush 1\n', 'there is no input and no output: nothing is read or sent'],
  ['[INPUT]\n    Name clock\n', 'there is no output: nothing is read until one is configured'],
  [OUT, 'there is no input: nothing is sent until one is configured'],
])('a file without an input or an output has a plan, and a warning', async (text, warning) => {
  const { plan, warnings } = await load(text)
  expect(plan).toBeDefined()
  expect(warnings).toEqual([`a.conf: ${warning}`])
})

test('missing sections are not reported when the file cannot be read completely', async () => {
  const { reported } = await load('@INCLUDE none.conf\n')
  expect(reported).toEqual(['a.conf:1:1: cannot read none.conf: ENOENT: no such file or directory'])
  expect((await load('[INPT]\n    Name clock\n')).problems.map((p) => p.code)).toEqual([
    'E_CONFIG_UNKNOWN_SECTION',
  ])
})

test('with problems, the valid part contains the stages that are valid on their own', async () => {
  const { plan, validPart } = await load(
    `[SERVICE]\n    Flush x\n[INPUT]\n    Name clock\n[INPUT]\n    Name follow\n[INPUT]\n    Name listen\n    Port x\n` +
      `[INPUT]\n    Name follow\n    Path a\n    Parser none\n[FILTER]\n    Name keep\n    Match *\n${OUT}[OUTPUT]\n    Name sned\n`,
  )
  expect(plan).toBeUndefined()
  const stages = [...validPart.inputs, ...validPart.filters, ...validPart.outputs]
  expect(stages.map(({ name }) => name)).toEqual(['clock.0', 'keep.0', 'send.0'])
  expect(validPart.service.flush).toBe(1000)
})

test('a plugin of another kind is reported as such', async () => {
  const { reported } = await load(`[INPUT]\n    Name store\n${OUT}`)
  expect(reported).toEqual(['a.conf:2:10: unknown input "store" (there is an output of this name)'])
})

test('a problem does not show a secret', async () => {
  const { reported } = await load(`[INPUT]\n    Name clock\n${OUT}    Key hunter2\n`)
  expect(reported).toEqual(['a.conf:6:9: [send] "Key" must be an integer, not ******'])
})

test('a problem does not show the secrets of an address', async () => {
  const input = '    Name clock://me:hunter2@h:1/?key=hunter2\n[INPUT]\n    Name clock://h?key=hunter2\n'
  const { reported } = await load(`[INPUT]\n${input}${OUT}`)
  expect(reported).toEqual([
    'a.conf:2:10: [clock] takes no user or password, and "clock://h:1/" has one',
    'a.conf:2:10: [clock] takes no host, and "clock://h:1/" has one',
    'a.conf:2:10: [clock] takes no port, and "clock://h:1/" has one',
    'a.conf:2:10: [clock] unknown option "key", an option of output send (also at line 4)',
    'a.conf:4:10: [clock] takes no host, and "clock://h" has one',
  ])
})

test('a repeated name is reported, and so is a key that may be a misspelled name', async () => {
  const twice = await load(`[INPUT]\n    Name clock\n    NAME follow\n${OUT}`)
  expect(twice.plan?.inputs[0]?.name).toBe('clock.0')
  expect(twice.warnings).toEqual(['a.conf:3:5: "name" is already set to clock above: this value is ignored'])
  const { problems } = await load(`[INPUT]\n    Tag a\n    Nmae clock\n${OUT}[FILTER]\n    Match *\n`)
  expect(problems.map((p) => [p.location?.line, p.message, p.hint])).toEqual([
    [3, '[input] required option "name" is missing', 'is "Nmae clock" meant to be the name?'],
    [7, '[filter] required option "name" is missing', '`shipper plugins` lists the names'],
  ])
})

test('a comment after a plugin name is reported as such', async () => {
  const { problems } = await load(`[INPUT]\n    Name clock # every second\n${OUT}`)
  expect(problems.map((p) => [p.message, p.hint])).toEqual([
    ['unknown input "clock # every second"', 'a comment needs a line of its own'],
  ])
})

test('a plan has the location of each value', async () => {
  const text = `[INPUT]\n    Name follow\n    path a\n    PATH b\n    From_Head on\n    Tag x\n${OUT}`
  const { plan } = await load(text)
  const lines = [...(plan?.inputs[0]?.optionLocations ?? [])].map(([name, { line, col }]) => [
    name,
    line,
    col,
  ])
  expect(lines).toEqual([
    ['path', 4, 10],
    ['path a', 3, 10],
    ['path b', 4, 10],
    ['read_from_head', 5, 15],
    ['tag', 6, 9],
  ])
})

test('an invalid value from a variable is reported with the name of the variable', async () => {
  const { problems } = await load(`[INPUT]\n    Name clock\n${OUT}    Port \${P}\${Q:-}\n`, {
    env: { P: 'x\n' },
  })
  expect(problems.map((p) => [p.message, p.hint])).toEqual([
    ['[send] "Port" must be an integer from 1 to 65535, not "x\n"', `the value comes from \${P} and \${Q:-}`],
  ])
})

test('a comment after a value is reported as such', async () => {
  const { problems } = await load(`[INPUT]\n    Name clock\n${OUT}    Port x # local\n`)
  expect(problems[0]?.hint).toBe('a comment needs a line of its own')
})

test('a value before a comment is used, except in a text', async () => {
  const text = `[SERVICE]\n    Flush 2  ## often\n    Log_File a #1\n[INPUT]\n    Name clock\n${OUT}`
  const { plan, warnings } = await load(text)
  expect(plan?.service).toMatchObject({ flush: 2000, logFile: 'a #1' })
  expect(warnings).toEqual([
    'a.conf:2:11: [service] "Flush" is 2: a comment needs a line of its own',
    'a.conf:3:14: [service] "Log_File" contains " #", which is part of the value: a comment needs a line of its own',
  ])
})

test('an option set by an unset variable has its default', async () => {
  const text = `[INPUT]\n    Name clock\n    Tag \${T}\n${OUT}    Port \${P}\n    Retry_Limit \${R}\n`
  const { plan, reported } = await load(text)
  expect(reported).toEqual([])
  expect(plan?.inputs[0]?.tag).toBe('clock.0')
  expect(plan?.outputs[0]?.common).toMatchObject({ retryLimit: 'no_limits' })
  const { reported: required } = await load(`[INPUT]\n    Name follow\n    Path \${P}\n${OUT}`)
  expect(required).toEqual(['a.conf:3:10: [follow] required option "path" is missing'])
})

test('sections within sections are rejected', async () => {
  const { reported } = await load(`[INPUT]\n    Name clock\n    [OUTPUT]\n        Name send\n${OUT}`)
  expect(reported).toEqual(['a.conf:3:5: section [OUTPUT] must begin in column 1'])
})

test('problems are sorted by file, followed by those of the command line and those without a location', () => {
  const at = (message: string, location?: SourceLocation): ShipperError =>
    new ShipperError('E_CONFIG_BAD_VALUE', message, location === undefined ? {} : { location })
  const mixed = [
    at('7'),
    at('5', { file: 'command line', argument: '-f' }),
    at('4', { file: 'b.conf', line: 1, col: 1 }),
    at('3', { file: 'a.conf', line: 2, col: 9 }),
    at('6', { file: 'command line', argument: '-i x' }),
    at('2', { file: 'a.conf', line: 2, col: 1 }),
  ]
  expect(sortByLocation([at('1', { file: 'a.conf', line: 1 }), ...mixed]).map((p) => p.message)).toEqual([
    ...['1', '2', '3', '4', '5', '6', '7'],
  ])
})
