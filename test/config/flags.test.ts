import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Flags } from '../../src/config/flags.ts'
import { tmp } from '../support/tmp.ts'
import { load, OUT } from './loading.ts'

const plugins = (input: string, output: string) => (flags: Flags) => {
  flags.begin('input', input)
  flags.begin('output', output)
}

test('flags follow the file: sections are added, service options take precedence, and outputs match all tags', async () => {
  const { plan, warnings } = await load(`[SERVICE]\n    Flush 5\n[INPUT]\n    Name clock\n${OUT}`, {
    flags: (flags) => {
      flags.service('flush', '2')
      plugins('clock', 'store')(flags)
    },
  })
  expect(warnings).toEqual([])
  expect(plan?.service.flush).toBe(2000)
  expect(plan?.inputs.map((i) => i.name)).toEqual(['clock.0', 'clock.1'])
  expect(plan?.outputs.map((o) => [o.name, o.common.match])).toEqual([
    ['send.0', '*'],
    ['store.0', '*'],
  ])
})

test('flags do not override a given match', async () => {
  const { plan } = await load(undefined, {
    flags: (flags) => {
      flags.begin('input', 'clock')
      flags.begin('output', 'send')
      flags.match('clock.*')
      flags.begin('output', 'send')
      flags.property('Match_Regex=^c')
    },
  })
  expect(plan?.outputs.map((o) => o.common.match)).toEqual(['clock.*', undefined])
})

test('problems of flags are located on the command line', async () => {
  const { reported } = await load(undefined, { flags: plugins('clok', 'send') })
  expect(reported).toEqual(['command line, -i clok: unknown input "clok" (did you mean clock?)'])
})

test('a secret may be @FILE or a variable on the command line, and a warning names one that is written out', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'key'), '42\r\n')
  const withKey = (value: string) =>
    load(undefined, {
      env: { KEY: '@7' },
      flags: (flags) => {
        plugins('clock', 'send')(flags)
        flags.property(`key=${value}`)
      },
    })
  const fromFile = await withKey(`@${dir}/key`)
  expect([fromFile.plan?.outputs[0]?.options, fromFile.warnings]).toEqual([
    expect.objectContaining({ key: 42 }),
    [],
  ])
  const written = await withKey('42')
  expect(written.plan?.outputs[0]?.options).toMatchObject({ key: 42 })
  expect(written.warnings).toEqual([
    'command line, -p key: [send] every user of this machine can read "key" in the list of processes: use @FILE or \'${VARIABLE}\' as its value',
  ])
  const missing = await withKey(`@${dir}/none`)
  expect(missing.reported[0]).toBe(
    `command line, -p key: [send] cannot read "key" from ${dir}/none: ENOENT: no such file or directory`,
  )
  writeFileSync(join(dir, 'empty'), '\n')
  expect((await withKey(`@${dir}/empty`)).reported[0]).toBe(
    `command line, -p key: [send] cannot read "key" from ${dir}/empty: it is empty`,
  )
  // The value of a variable is no file name, and the value of a file's option neither.
  expect((await withKey('${KEY}')).reported).toEqual([
    'command line, -p key: [send] "key" must be an integer, not ******',
  ])
  const inFile = await load(`[INPUT]\n    Name clock\n${OUT}    Key @${dir}/key\n`)
  expect(inFile.reported).toEqual(['a.conf:6:9: [send] "Key" must be an integer, not ******'])
})

test('problems of flags name the argument and not its value', async () => {
  const { reported } = await load(undefined, {
    flags: (flags) => {
      flags.service('flush', 'x', '-f')
      flags.begin('input', 'clock')
      flags.property('Prot=1')
      flags.begin('output', 'send')
      flags.property('key=hunter2')
      flags.property('match_regex=(')
      flags.begin('output', 'send://me:hunter2@h:1?key=hunter2')
    },
  })
  expect(reported).toEqual([
    'command line, -f: [service] "flush" must be a time like 60 or 5m of at least 1ms, not "x"',
    'command line, -p Prot: [clock] unknown option "Prot"',
    'command line, -p key: [send] "key" must be an integer, not ******',
    'command line, -p match_regex: [send] "match_regex" must be a regular expression, not "(": unsupported regular expression: a group without a closing parenthesis, near character 2',
    'command line, -o send://h:1: [send] takes no user or password, and "send://h:1" has one',
    'command line, -o send://h:1: [send] "key" must be an integer, not ******',
  ])
})

test('addresses are accepted as names', async () => {
  const { plan } = await load(undefined, {
    flags: plugins('listen://[::1]:80', 'store:///var/out?format=plain'),
  })
  expect(plan?.inputs[0]?.options).toEqual({ host: '::1', port: 80 })
  expect(plan?.outputs[0]?.options).toEqual({ path: '/var/out', format: 'plain' })
})

test('a part of an address that the plugin does not support is named', async () => {
  const { reported } = await load(undefined, { flags: plugins('clock://h:1', 'send://h:99999/x') })
  expect(reported).toEqual([
    'command line, -i clock://h:1: [clock] takes no host, and "clock://h:1" has one',
    'command line, -i clock://h:1: [clock] takes no port, and "clock://h:1" has one',
    'command line, -o send://h:99999/x: [send] takes no path, and "send://h:99999/x" has one',
    'command line, -o send://h:99999/x: [send] "port" must be an integer from 1 to 65535, not "99999"',
  ])
})

test('a value may contain equals signs', () => {
  const flags = new Flags()
  flags.begin('input', 'follow')
  flags.property('path=a=b')
  expect(flags.tree.sections[0]?.properties.at(-1)).toMatchObject({ key: 'path', value: 'a=b' })
})

test('flags without a plugin or for another kind are rejected', () => {
  const flags = new Flags()
  expect(() => flags.property('a=b')).toThrow('-p a comes before any -i, -F or -o')
  flags.begin('input', 'follow')
  expect(() => flags.property('password hunter2')).toThrow('-p needs key=value, and "password" has no value')
  expect(() => flags.property('novalue')).toThrow('-p needs key=value, and "novalue" has no value')
  for (const text of ['host=', 'path= '])
    expect(() => flags.property(text)).toThrow(`-p ${text.split('=')[0]}= has no value`)
  expect(() => flags.match('*')).toThrow('-m * follows -i follow: only filters and outputs have a match')
  flags.begin('output', 'send')
  expect(() => flags.tag('x')).toThrow('-t x follows -o send: only an input has a tag')
})
