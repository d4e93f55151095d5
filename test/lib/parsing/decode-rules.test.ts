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

  test('both options are kept in the order of the configuration', async () => {
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

  test('an invalid rule is reported with its position', async () => {
    const { problems } = await load('    Decode_Field json log\n    Decode_Field_As jsno log\n')
    expect(problems).toMatchObject([
      { location: { line: 10, col: 21 }, hint: expect.stringContaining('json?') },
    ])
  })
})

test('an invalid rule is refused with the valid words', () => {
  const hintOf = (rule: string): string => {
    try {
      parseDecodeRules([rule.split(' ')], SILENT)
    } catch (error) {
      expect(error).toMatchObject({ code: 'E_CONFIG_BAD_VALUE' })
      return (error as { hint: string }).hint
    }
    throw new Error(`"${rule}" was accepted`)
  }
  expect(hintOf('decode_field_as')).toContain('write DECODER FIELD')
  expect(hintOf('decode_field_as json')).toContain('write DECODER FIELD')
  expect(hintOf('decode_field_as json log do_next more')).toContain('write DECODER FIELD')
  expect(hintOf('decode_field_as jsno log')).toContain('(did you mean json?)')
  expect(hintOf('decode_field_as base64 log')).toContain('escaped, escaped_utf8, mysql_quoted')
  expect(hintOf('decode_field_as json log donext')).toContain('(did you mean do_next?)')
})
