import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { formatOf } from '../../src/config/files.ts'
import { tmp } from '../support/tmp.ts'
import { load, OUT } from './loading.ts'

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
    expect(warnings).toEqual(['a.conf:4:9: variable U is not set: nothing takes its place'])
  })

  test('that are unset and the whole value leave the option at its default, and the warning says so', async () => {
    const { plan, warnings } = await load(
      `[INPUT]\n    Name clock\n    Tag \${U}\n[OUTPUT]\n    Name send\n    Match *\n    Host h\n`,
    )
    expect(plan?.inputs[0]?.tag).toBe('clock.0')
    const effect = '"Tag" is left out, as if it were not given, and its default applies if it has one'
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
    expect(formatOf('a.yaml', '[INPUT]')).toBe('YAML')
    expect(formatOf('a.YML', '')).toBe('YAML')
    expect(formatOf('a', '# c\n\n  # d\nservice:\n  flush: 1\n')).toBe('YAML')
    expect(formatOf('a', '\uFEFF\r\n<source>\r\n')).toBe('fluentd')
    for (const text of ['', '# a: b', '\n[INPUT]\n', '@SET a: b', 'Name: x y']) {
      expect(formatOf('a.conf', text)).toBe('classic')
    }
  })

  test('is named when it is not supported, also in an included file', async () => {
    const { reported } = await load(`@INCLUDE b.yaml\n[INPUT]\n    Name clock\n${OUT}`, {
      files: { 'b.yaml': 'env:\n' },
    })
    expect(reported).toEqual(['b.yaml: this file is in YAML format, which is not supported yet'])
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
