import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

import type { OptionTable } from '../src/core/options/option.ts'
import { parseOptions } from '../src/core/options/parse.ts'
import type { Parser } from '../src/core/parser.ts'
import type { ParserSpec } from '../src/core/plugin.ts'
import { spec as regex } from '../src/plugins/parsers/regex.ts'

const SILENT = { error() {}, warn() {}, info() {}, debug() {} }
const CLOCK = { nowMs: () => Date.now(), after: () => undefined as never, cancel() {} }

/** Returns a parser with these options as texts. */
export function parserOf<T extends OptionTable>(
  spec: ParserSpec<T>,
  texts: Record<string, string | string[]> = {},
): Parser {
  const options = parseOptions(spec.options, texts as never)
  return spec.create(options, { name: 'bench', log: SILENT, clock: CLOCK })
}

/** Returns the parser of this name in conf/parsers.conf. */
export function builtin(name: string, more: Record<string, string> = {}): Parser {
  const file = readFileSync(resolve(import.meta.dirname, '../conf/parsers.conf'), 'utf8')
  const section = file.split('[PARSER]\n').find((text) => text.includes(`Name        ${name}\n`)) ?? ''
  const values = (key: string): string[] =>
    [...section.matchAll(new RegExp(`^ +${key} +(.*)$`, 'gm'))].map(([, value = '']) => value)
  const value = (key: string): string => values(key)[0] ?? ''
  return parserOf(regex, {
    regex: value('Regex'),
    time_key: value('Time_Key'),
    time_format: values('Time_Format'),
    ...(value('Regex_Max_Length') === '' ? {} : { regex_max_length: value('Regex_Max_Length') }),
    ...more,
  })
}
