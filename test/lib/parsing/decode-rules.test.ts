import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Flags } from '../../../src/config/flags.ts'
import { loadPlan } from '../../../src/config/load.ts'
import { parseDecodeRules } from '../../../src/lib/parsing/decode-rules.ts'
import { registry } from '../../../src/registry.ts'
import { SILENT } from '../../support/tail/parse-line.ts'
import { tmp } from '../../support/tmp.ts'

describe('in a configuration', () => {
  const load = (rules: string) => {
    const file = join(tmp(), 'a.conf')
    const parser = `[PARSER]\n    Name p\n    Format json\n${rules}`
    writeFileSync(file, `[INPUT]\n    Name dummy\n[OUTPUT]\n    Name null\n    Match *\n${parser}`)
    return loadPlan({ file, flags: new Flags().tree, registry, env: {} })
  }

  test('the order of both options counts', async () => {
    const { plan, problems } = await load(
      '    Decode_Field_As escaped_utf8 log do_next\n    Decode_Field    json log\n    decode_field_as json  log\n',
    )
    expect(problems).toEqual([])
    expect(plan?.parsers[0]?.options).toMatchObject({
      decodeField: [
        ['decode_field_as', 'escaped_utf8', 'log', 'do_next'],
        ['decode_field', 'json', 'log'],
        ['decode_field_as', 'json', 'log'],
      ],
    })
  })

  test('a mistake is named with its place', async () => {
    const { problems } = await load('    Decode_Field json log\n    Decode_Field_As jsno log\n')
    expect(problems).toMatchObject([
      { location: { line: 10, col: 21 }, hint: expect.stringContaining('json?') },
    ])
  })
})

test('what is no rule is refused with what there is', () => {
  const hintOf = (rule: string): string => {
    try {
      parseDecodeRules([rule.split(' ')], SILENT)
    } catch (error) {
      expect(error).toMatchObject({ code: 'E_CONFIG_BAD_VALUE' })
      return (error as { hint: string }).hint
    }
    throw new Error(`"${rule}" was taken`)
  }
  expect(hintOf('decode_field_as')).toContain('write a decoder')
  expect(hintOf('decode_field_as json')).toContain('write a decoder')
  expect(hintOf('decode_field_as json log do_next more')).toContain('write a decoder')
  expect(hintOf('decode_field_as jsno log')).toContain('(did you mean json?)')
  expect(hintOf('decode_field_as base64 log')).toContain('escaped, escaped_utf8, mysql_quoted')
  expect(hintOf('decode_field_as json log donext')).toContain('(did you mean do_next?)')
})
