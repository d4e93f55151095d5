import { defineOptions } from '../../core/options/option.ts'
import type { EntryWriter } from '../../core/parser.ts'
import { defineParser } from '../../core/plugin.ts'
import { withDecoders } from '../../lib/parsing/field-decoder.ts'
import { FieldParser } from '../../lib/parsing/field-parser.ts'
import { DECODE_DESCRIPTION, DECODE_OPTION, TIME_OPTIONS, TYPES_OPTION } from '../../lib/parsing/options.ts'

export const spec = defineParser({
  kind: 'parser',
  name: 'ltsv',
  summary: 'Parses lines of labeled, tab-separated values.',
  description: `A line is \`label:value\`, tab, \`label:value\` and so on. A label consists of letters, digits, \`_\`, \`.\` and \`-\`; the
value is everything up to the next tab. A line with a field without a label is kept unparsed.

${DECODE_DESCRIPTION}`,
  options: defineOptions({ ...TIME_OPTIONS, ...TYPES_OPTION, ...DECODE_OPTION }),
  example: `[PARSER]
    Name        access
    Format      ltsv
    Time_Key    time
    Time_Format [%d/%b/%Y:%H:%M:%S %z]
    Types       status:integer size:integer
`,
  create: (options, ctx) => withDecoders(new LtsvParser(options, ctx), options.decodeField, ctx),
})

/** Bytes of labels: [0-9A-Za-z_.-]. */
const LABEL = new Uint8Array(256)
for (const c of Buffer.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.-')) LABEL[c] = 1
const TAB = 9

/**
 * Parses LTSV:
 *
 * ```
 *   record = field *( TAB field )          field = label ":" *any but TAB
 * ```
 * Empty fields (two tabs in a row, one at the end) are skipped.
 */
class LtsvParser extends FieldParser {
  protected form() {
    return { form: 'ltsv', bareKeys: false } as const
  }

  protected walk(src: Buffer, start: number, lineEnd: number, out: EntryWriter): boolean {
    // The text of a record may have its line end, which is no part of the last value.
    let end = lineEnd > start && src[lineEnd - 1] === 0x0a ? lineEnd - 1 : lineEnd
    if (end > start && src[end - 1] === 0x0d) end--
    let p = start
    while (p < end) {
      if (src[p] === TAB) {
        p++
        continue
      }
      const label = p
      while (p < end && LABEL[src[p] as number] === 1) p++
      if (p === label || p >= end || src[p] !== 0x3a) return false
      const value = p + 1
      const tab = src.indexOf(TAB, value)
      const stop = tab < 0 || tab > end ? end : tab
      this.fields.pair(src, label, p, value, stop, out)
      p = stop
    }
    return true
  }
}
