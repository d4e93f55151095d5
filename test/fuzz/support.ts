import type { OptionTable } from '../../src/core/options/option.ts'
import { parseOptions } from '../../src/core/options/parse.ts'
import type { Parser } from '../../src/core/parser.ts'
import type { ParserSpec } from '../../src/core/plugin.ts'
import type { Clock, Logger } from '../../src/core/services.ts'

export const SILENT: Logger = { error() {}, warn() {}, info() {}, debug() {} }
const NOW = Date.UTC(2026, 10, 21, 12)
const CLOCK: Clock = { nowMs: () => NOW, after: () => undefined as never, cancel() {} }

/** Creates a parser; texts of options that may be repeated are separated by line feeds. */
export function createParser<T extends OptionTable>(
  spec: ParserSpec<T>,
  texts: Record<string, string> = {},
): Parser {
  return spec.create(parseOptions(spec.options, texts as never), {
    name: 'fuzz',
    log: SILENT,
    clock: CLOCK,
  } as never)
}
