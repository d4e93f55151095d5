import { afterEach, describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Flags } from '../../src/config/flags.ts'
import { tmp } from '../support/tmp.ts'
import { load, OUT } from './loading.ts'

const main = (parser: string): string =>
  `[SERVICE]\n    Parsers_File p/parsers.conf\n[INPUT]\n    Name follow\n    Path a\n    Parser ${parser}\n${OUT}`
const files = {
  'p/parsers.conf':
    '[PARSER]\n    Name good\n    Format plain\n    Time_Key t\n    Decode_Feld x\n' +
    '[PARSER]\n    Name bad\n    Format regex\n    Regex (\n[PARSER]\n    Name odd\n    Format plan\n' +
    '[PARSER]\n    Name good\n    Format regex\n    Regex a\n[MULTILINE_PARSER]\n    name m\n',
}

test('parsers are read from files relative to the configuration file; the first one with a name is used', async () => {
  const { plan, reported, warnings } = await load(main('good'), { files })
  expect(reported).toEqual([])
  expect(plan?.parsers.map((p) => [p.name, p.spec.name, p.options])).toEqual([
    ['good', 'plain', { timeKey: 't' }],
    ['bad', 'regex', { regex: '(' }],
  ])
  expect(warnings).toEqual([
    'p/parsers.conf:5:5: [parser good] unknown option "Decode_Feld": it has no effect',
    'p/parsers.conf:12:12: [parser odd] unknown format "plan" (did you mean plain?): the parser is ignored',
    'p/parsers.conf:13:1: [parser good] duplicate name: this section is ignored',
    'p/parsers.conf:17:1: [multiline_parser m] required option "type" is missing: the multiline parser is ignored',
  ])
})

test('parsers in a parsers file must be valid only when they are used', async () => {
  const { reported } = await load(main('bad'), { files })
  expect(reported).toEqual(['p/parsers.conf:9:11: [parser bad] cannot compile "("'])
  expect((await load(main('odd'), { files })).reported).toEqual([
    'p/parsers.conf:12:12: [parser odd] unknown format "plan" (did you mean plain?)',
  ])
})

test('all parsers are compiled with checkUnused', async () => {
  const { plan, warnings } = await load(main('good'), { files, checkUnused: true })
  expect(plan?.parsers.map((p) => p.name)).toEqual(['good'])
  expect(warnings.join('\n')).toContain('[parser bad] cannot compile "(": the parser is ignored')
})

test('parsers in the main file must be valid', async () => {
  const { reported } = await load(
    `[INPUT]\n    Name clock\n${OUT}[PARSER]\n    Name a\n    Format plain\n    Tim_Key b\n[PARSER]\n    Format x\n`,
  )
  expect(reported).toEqual(['a.conf:10:1: [parser] required option "name" is missing'])
})

test('parsers named by an input must exist; a format without required options counts as one', async () => {
  expect((await load(main('goood'), { files })).reported).toEqual([
    'a.conf:6:12: [follow] there is no parser "goood" (did you mean good?)',
  ])
  const text = (parser: string): string =>
    `[INPUT]\n    Name follow\n    Path a\n    Parser ${parser}\n${OUT}`
  const { plan } = await load(text('plain'))
  expect(plan?.parsers.map((p) => [p.name, p.options])).toEqual([['plain', { timeKey: 'time' }]])
  expect((await load(text('plan'))).reported).toEqual([
    'a.conf:4:12: [follow] there is no parser "plan" (did you mean plain?)',
  ])
  expect((await load(text('regex'))).reported).toEqual(['a.conf:4:12: [follow] there is no parser "regex"'])
})

test('built-in parsers need no file; a section or format of the same name takes precedence', async () => {
  const text = (parser: string, more = ''): string =>
    `[INPUT]\n    Name follow\n    Path a\n    Parser ${parser}\n${OUT}${more}`
  const { plan, reported, warnings } = await load(text('nginx'))
  expect([reported, warnings]).toEqual([[], []])
  expect(plan?.parsers.map((p) => [p.name, p.spec.name])).toEqual([['nginx', 'regex']])
  const own = await load(text('nginx', '[PARSER]\n    Name nginx\n    Format plain\n'))
  expect(own.plan?.parsers.map((p) => [p.name, p.spec.name])).toEqual([['nginx', 'plain']])
  expect((await load(text('ngnix'))).reported).toEqual([
    'a.conf:4:12: [follow] there is no parser "ngnix" (did you mean nginx?)',
  ])
})

test('pods may name all existing parsers, which follow those of the sections', async () => {
  const text = (value: string): string =>
    `[INPUT]\n    Name clock\n[FILTER]\n    Name pods\n    Match *\n    K8S-Logging.Parser ${value}\n${OUT}` +
    '[PARSER]\n    Name nginx\n    Format plain\n'
  const { plan, reported } = await load(text('on'))
  expect(reported).toEqual([])
  const names = plan?.parsers.map((p) => p.name) ?? []
  expect(names.slice(0, 2)).toEqual(['nginx', 'plain'])
  expect(names).toContain('apache2')
  expect(new Set(names).size).toBe(names.length)
  expect((await load(text('off'))).plan?.parsers.map((p) => p.name)).toEqual(['nginx'])
})

test('parsers named by a filter must exist, whatever the option is called', async () => {
  const text = (parser: string): string =>
    `[INPUT]\n    Name clock\n[FILTER]\n    Name keep\n    Match *\n    Merge_Parser ${parser}\n${OUT}`
  expect((await load(text('plain'))).plan?.parsers.map((p) => p.name)).toEqual(['plain'])
  expect((await load(text('plan'))).reported).toEqual([
    'a.conf:6:18: [keep] there is no parser "plan" (did you mean plain?)',
  ])
})

test('a parsers file that cannot be read is a problem at the line that names it', async () => {
  const text = `[SERVICE]\n    Parsers_File none.conf\n[INPUT]\n    Name clock\n${OUT}`
  const { reported, problems } = await load(text)
  expect(reported).toEqual(['a.conf:2:18: cannot read none.conf: ENOENT: no such file or directory'])
  expect(problems[0]?.hint).toContain('remove this line')
})

describe('a relative path of a parsers file', () => {
  const parser = (name: string): string => `[PARSER]\n    Name ${name}\n    Format plain\n`
  const conf = (path: string): string =>
    `[SERVICE]\n    Parsers_File ${path}\n[INPUT]\n    Name clock\n${OUT}`
  const cwd = process.cwd()
  afterEach(() => process.chdir(cwd))

  /** Returns the names of the parsers with files in the working folder and others next to the configuration. */
  async function found(
    text: string,
    here: string[],
    nextToConfig: string[],
    flag?: string,
  ): Promise<string[]> {
    const folder = tmp()
    for (const name of here) writeFileSync(join(folder, name), parser('here'))
    process.chdir(folder)
    const files = Object.fromEntries(nextToConfig.map((name) => [name, parser('config')]))
    const flags = (f: Flags): void => void (flag && f.service('parsers_file', flag))
    const { plan, reported } = await load(text, { files, flags })
    return plan?.parsers.map(({ name }) => name) ?? reported
  }

  test('is resolved next to the configuration file, then in the working folder', async () => {
    expect(await found(conf('p.conf'), [], ['p.conf'])).toEqual(['config'])
    expect(await found(conf('p.conf'), ['p.conf'], ['p.conf'])).toEqual(['config'])
    expect(await found(conf('p.conf'), ['p.conf'], [])).toEqual(['here'])
    expect(await found(conf('p.conf'), [], [])).toEqual([
      'a.conf:2:18: cannot read p.conf: ENOENT: no such file or directory',
    ])
  })

  test('from the command line is resolved in the working folder, then next to the configuration file', async () => {
    const none = `[INPUT]\n    Name clock\n${OUT}`
    expect(await found(none, ['p.conf'], ['p.conf'], 'p.conf')).toEqual(['here'])
    expect(await found(none, [], ['p.conf'], 'p.conf')).toEqual(['config'])
  })

  test('may be absolute', async () => {
    expect(await found(conf('/none/p.conf'), ['p.conf'], ['p.conf'])).toEqual([
      'a.conf:2:18: cannot read /none/p.conf: ENOENT: no such file or directory',
    ])
  })
})
