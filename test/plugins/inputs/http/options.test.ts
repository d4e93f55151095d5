import { describe, expect, test } from 'bun:test'
import { parseOptions } from '../../../../src/core/options/parse.ts'
import { OPTIONS } from '../../../../src/plugins/inputs/http/options.ts'

describe('success_header', () => {
  test.each([
    ['X-A Ċ-Evil: 1'],
    ['X-A caf\u00e9'],
    ['X-A a\u007fb'],
    ['X:A b'],
    ['Content-Length 7'],
    ['transfer-encoding chunked'],
    ['Connection close'],
    ['Server x'],
  ])('%p is refused', (header) => {
    expect(() => parseOptions(OPTIONS, { success_header: [header] })).toThrow('success_header')
  })

  test('may have any visible ASCII in its value', () => {
    expect(parseOptions(OPTIONS, { success_header: ['X-A a~!"b: c'] }).successHeader).toEqual([
      ['X-A', 'a~!"b: c'],
    ])
  })
})
