import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { formatOf } from '../../src/config/format.ts'
import { loadPlan } from '../../src/config/load.ts'
import { tmp } from '../support/tmp.ts'
import { load, OUT } from './loading.ts'
import { SPECS } from './specs.ts'

describe('variables', () => {
  const text = `@SET H=set\n[INPUT]\n    Name clock\n    Tag \${T:-none}.\${U}\n[OUTPUT]\n    Name send\n    Match *\n    Host \${H}-\${HOSTNAME}\n`

  test('come from @SET, the environment, or their default', async () => {
    const { plan, warnings } = await load(text, { env: { T: 't', U: 'u', H: 'env', HOSTNAME: 'h' } })
    expect(plan?.inputs[0]?.tag).toBe('t.u')
    expect(plan?.outputs[0]?.options).toMatchObject({ host: 'set-h' })
    expect(warnings).toEqual([])
  })

  test('that are unset are empty, with a warning; HOSTNAME is always set', async () => {
    const { plan, warnings } = await load(text)
    expect(plan?.inputs[0]?.tag).toBe('none.')
    expect(plan?.outputs[0]?.options).toMatchObject({ host: `set-${hostname()}` })
    expect(warnings).toEqual(['a.conf:4:9: variable U is not set: it is replaced by an empty string'])
  })

  test('that are unset and the whole value leave the option at its default, and the warning says so', async () => {
    const { plan, warnings } = await load(
      `[INPUT]\n    Name clock\n    Tag \${U}\n[OUTPUT]\n    Name send\n    Match *\n    Host h\n`,
    )
    expect(plan?.inputs[0]?.tag).toBe('clock.0')
    const effect = '"Tag" is ignored; its default, if any, applies'
    expect(warnings).toEqual([`a.conf:3:9: variable U is not set: ${effect}`])
  })

  test('do not affect the dollar of a regular expression', async () => {
    const expression = `^a{2}$|b${'$'}{2}$`
    const filter = `[FILTER]\n    Name keep\n    Match *\n    Regex log ${expression}\n`
    const { plan } = await load(`[INPUT]\n    Name clock\n${filter}${OUT}`)
    expect(plan?.filters[0]?.options).toEqual({ regex: [['log', expression]] })
  })
})

describe('@INCLUDE', () => {
  test('includes patterns relative to the main file, in order, each file once', async () => {
    const { plan, reported } = await load(
      `@INCLUDE \${D}/*.conf\n@INCLUDE inputs/b.conf\n@INCLUDE *.conf\n${OUT}`,
      {
        env: { D: 'inputs' },
        files: {
          'inputs/b.conf': '[INPUT]\n    Name clock\n    Tag b\n',
          'inputs/a.conf': '[INPUT]\n    Name clock\n    Tag a\n@INCLUDE more/c.conf\n',
          'more/c.conf': '[INPUT]\n    Name clock\n    Tag c\n',
        },
      },
    )
    expect(reported).toEqual([])
    expect(plan?.inputs.map((i) => i.tag)).toEqual(['a', 'c', 'b'])
  })

  test('of a missing file is a problem, of a pattern without a match a warning', async () => {
    const { reported, warnings } = await load(
      `@INCLUDE none.conf\n@INCLUDE none/*.conf\n[INPUT]\n    Name clock\n${OUT}`,
    )
    expect(reported).toEqual(['a.conf:1:1: cannot read none.conf: ENOENT: no such file or directory'])
    expect(warnings).toEqual(['a.conf:2:1: no file matches none/*.conf'])
  })

  test('of the file itself, directly or by another file, is a problem', async () => {
    const { reported } = await load(`@INCLUDE b.conf\n[INPUT]\n    Name clock\n${OUT}`, {
      files: { 'b.conf': '@INCLUDE c.conf\n', 'c.conf': '@INCLUDE b.conf\n@INCLUDE a.conf\n' },
    })
    expect(reported).toEqual([
      'c.conf:1:1: cannot read b.conf: it includes itself',
      'c.conf:2:1: cannot read a.conf: it includes itself',
    ])
  })

  test('of a path with special characters names the file that has them', async () => {
    const { plan } = await load(`@INCLUDE a[1].conf\n${OUT}`, {
      files: {
        'a[1].conf': '[INPUT]\n    Name clock\n    Tag one\n',
        'a1.conf': '[INPUT]\n    Name clock\n',
      },
    })
    expect(plan?.inputs.map((i) => i.tag)).toEqual(['one'])
  })

  test('falls back to the working folder', async () => {
    const cwd = process.cwd()
    const folder = tmp()
    writeFileSync(join(folder, 'here.conf'), '[INPUT]\n    Name clock\n    Tag here\n')
    try {
      process.chdir(folder)
      const { plan } = await load(`@INCLUDE here.conf\n${OUT}`)
      expect(plan?.inputs.map((i) => i.tag)).toEqual(['here'])
    } finally {
      process.chdir(cwd)
    }
  })

  test('reports problems with the included file’s name', async () => {
    const { reported } = await load(`@INCLUDE b.conf\n${OUT}`, {
      files: { 'b.conf': '[INPUT]\n    Name clok\n' },
    })
    expect(reported).toEqual(['b.conf:2:10: unknown input "clok" (did you mean clock?)'])
  })
})

describe('the format', () => {
  test('is detected by the name, else by the first line with content', () => {
    expect(formatOf('a.yaml', '[INPUT]')).toBe('yaml')
    expect(formatOf('a.YML', '')).toBe('yaml')
    expect(formatOf('a', '# c\n\n  # d\nservice:\n  flush: 1\n')).toBe('yaml')
    expect(formatOf('a', '\uFEFF\r\n<source>\r\n')).toBe('fluentd')
    for (const text of ['', '# a: b', '\n[INPUT]\n', '@SET a: b', 'Name: x y']) {
      expect(formatOf('a.conf', text)).toBe('classic')
    }
  })

  test('is that of the command line, whatever the file is', async () => {
    const dir = tmp()
    const file = join(dir, 'a.yaml')
    writeFileSync(file, `[INPUT]\n    Name clock\n${OUT}`)
    const options = { file, flags: undefined, registry: SPECS, env: {} }
    expect((await loadPlan({ ...options, format: 'classic' })).problems).toEqual([])
    expect((await loadPlan(options)).problems).not.toEqual([])
  })

  test('of a file that begins with includes is classic if a header follows in column 1', () => {
    expect(formatOf('a.conf', '@include in.conf\n\n[OUTPUT]\n    Name null\n')).toBe('classic')
    expect(formatOf('a.conf', '@INCLUDE in.conf\n# end\n')).toBe('classic')
    expect(formatOf('a.conf', '@include in.conf\n<match **>\n  x [A]\n</match>\n')).toBe('fluentd')
    expect(formatOf('a.conf', '# main\ninclude conf.d/*.conf\n')).toBe('fluentd')
  })

  test('is that of each file: one in classic format may include one in YAML', async () => {
    const { plan, reported } = await load(`@INCLUDE b.yaml\n[INPUT]\n    Name clock\n${OUT}`, {
      files: { 'b.yaml': 'service: {flush: 7}\n' },
    })
    expect(reported).toEqual([])
    expect(plan?.service.flush).toBe(7000)
  })
})

test('a device that never ends is refused after the limit', async () => {
  const { reported } = await load('@INCLUDE /dev/zero\n')
  expect(reported).toEqual(['a.conf:1:1: cannot read /dev/zero: it has more than 16000000 bytes'])
})

test('a directory and a missing file are refused with the reason', async () => {
  const { reported } = await load('@INCLUDE d\n@INCLUDE none\n', { files: { 'd/x': '' } })
  expect(reported).toEqual([
    'a.conf:1:1: cannot read d: EISDIR: illegal operation on a directory',
    'a.conf:2:1: cannot read none: ENOENT: no such file or directory',
  ])
})

test('a binary or too large file is rejected in one line', async () => {
  const files = { 'b.conf': '[INPUT]\0', 'c.conf': '#\n'.repeat(8_100_000) }
  const { reported } = await load('@INCLUDE b.conf\n@INCLUDE c.conf\n', { files })
  expect(reported).toEqual([
    'a.conf:1:1: cannot read b.conf: it is not text',
    'a.conf:2:1: cannot read c.conf: it has more than 16000000 bytes',
  ])
})

describe('a Parsers_File that does not exist', () => {
  const text = (path: string): string =>
    `[SERVICE]\n    Parsers_File ${path}\n[INPUT]\n    Name clock\n${OUT}`

  test('is a warning when it is a file of fluent-bit’s image', async () => {
    for (const path of ['parsers.conf', 'conf/parsers_java.conf', '/fluent-bit/etc/custom.conf']) {
      const { plan, warnings } = await load(text(path))
      expect(plan).toBeDefined()
      expect(warnings).toEqual([
        `a.conf:2:18: ${path} does not exist: the built-in parsers are used instead of this file of fluent-bit’s image`,
      ])
    }
  })

  test('is a problem when it is any other file', async () => {
    const { reported } = await load(text('my-parsers.conf'))
    expect(reported).toEqual(['a.conf:2:18: cannot read my-parsers.conf: ENOENT: no such file or directory'])
  })

  test('is read when it exists, whatever its name', async () => {
    const { plan, warnings } = await load(text('parsers.conf'), {
      files: { 'parsers.conf': '[PARSER]\n    Name own\n    Format plain\n' },
    })
    expect(plan?.parsers.map(({ name }) => name)).toEqual(['own'])
    expect(warnings).toEqual([])
  })
})

describe('a configuration that is no configuration', () => {
  const INPUT = '[INPUT]\n    Name clock\n'

  test('is read to a limit of lines, files within each other, and problems', async () => {
    const many = await load(`${INPUT}${'    Tag a\n'.repeat(100_000)}${OUT}`)
    expect(many.reported).toEqual(['a.conf: a configuration has at most 100000 lines'])
    const files = Object.fromEntries(
      Array.from({ length: 120 }, (_, i) => [`${i}.conf`, `@INCLUDE ${i + 1}.conf\n`]),
    )
    const deep = await load(`@INCLUDE 0.conf\n${OUT}`, { files })
    expect(deep.reported).toEqual([
      '98.conf:1:1: cannot read 99.conf: more than 100 files include each other',
    ])
    const other = await load('x\n'.repeat(5000))
    expect(other.reported[0]).toBe('a.conf: this file is not in classic format')
  })

  test('has a limit for what variables become', async () => {
    const { reported } = await load(
      `@SET A=${'x'.repeat(1_000_000)}\n[INPUT]\n    Name clock\n    Tag ${'${A}'.repeat(20)}\n${OUT}`,
    )
    expect(reported).toEqual(['a.conf:4:9: more than 16000000 characters with the values of variables'])
  })

  test('is refused when it is not text, or a folder', async () => {
    expect((await load('[INPUT]\0')).reported).toEqual([': cannot read a.conf: it is not text'])
    const folder = await load(`@INCLUDE sub\n${INPUT}${OUT}`, { files: { 'sub/x': '' } })
    expect(folder.reported[0]).toStartWith('a.conf:1:1: cannot read sub: EISDIR')
  })

  test('with names as long as a book is reported soon, without a suggestion', async () => {
    const name = 'n'.repeat(1_000_000)
    const { problems } = await load(`[INPUT]\n    Name ${name}\n${OUT}    ${name} x\n`)
    expect(problems.map(({ code }) => code)).toEqual(['E_CONFIG_UNKNOWN_PLUGIN', 'E_CONFIG_UNKNOWN_OPTION'])
  })
})
