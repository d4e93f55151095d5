import { invalidIfThrows } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import type { ParserContext } from '../../core/plugin.ts'
import { compileTime, type TimeReader } from '../time/strptime.ts'
import { compileFormat } from '../time/strptime-format.ts'
import { type LocalZone, namedZone, offsetZone, systemZone, UTC } from '../time/zone.ts'
import { checkTypes } from './typed-value.ts'

/** Which field holds the time of a record and how it is written; all parsers but cri take them. */
export const TIME_OPTIONS = defineOptions({
  time_key: { type: 'string', default: 'time', help: 'Field that holds the time of the record.' },
  time_format: {
    type: 'string',
    check: (format: string) =>
      invalidIfThrows(
        'a format of strptime',
        () => compileFormat(format),
        'the record has the time at which it was read',
      ),
    help: 'How the time is written, as of strptime(3); `%L` is the fraction of a second. Without it the record has the time at which it was read, and the field stays. Text behind the time is passed over. With a conversion that is not known it is as if there were none, with a warning. A format without a year means the current one, or the last one for a date more than a month ahead.',
  },
  time_keep: { type: 'bool', default: 'false', help: 'Keep the field in the record.' },
  time_strict: {
    type: 'bool',
    default: 'true',
    help: 'False: the zone may be missing although the format has one. A time that is not understood leaves the field where it is, and the record has the time at which it was read.',
  },
  time_offset: {
    type: 'string',
    check: (text: string) => invalidIfThrows('an offset', () => offsetZone(text)),
    help: 'Offset of times that name no zone, e.g. `+0900`. Default: UTC.',
  },
  time_zone: {
    type: 'string',
    check: (name: string) => invalidIfThrows('the name of a zone', () => namedZone(name)),
    help: 'Zone of times that name none, by its IANA name, e.g. `Europe/Berlin`. Wins over Time_Offset.',
  },
  time_system_timezone: {
    type: 'bool',
    default: 'false',
    help: 'Times that name no zone are of the zone of this machine.',
  },
})

export const TYPES_OPTION = defineOptions({
  types: {
    type: 'slist',
    check: checkTypes,
    help: 'Fields that are not text: `name:integer`, `float`, `bool` or `hex`, separated by blanks. A value that is not of that form stays as it is. Integers are exact up to 64 bits.',
  },
})

export const DECODE_OPTION = defineOptions({
  decode_field: {
    type: 'slist',
    repeat: true,
    named: true,
    aliases: ['decode_field_as'],
    help: 'What to make of a field that holds encoded text: `DECODER FIELD [try_next|do_next]`, as described for the parser.',
  },
})

/** For the descriptions of the parsers that take it. */
export const DECODE_DESCRIPTION = `\`Decode_Field_As DECODER FIELD\` replaces the value of a field by what is encoded in it; \`Decode_Field json FIELD\`
leaves the value and appends the fields of the object to the record. The decoders are

- \`json\`: an object, with blanks around it; anything else is a failure
- \`escaped\`: \`\\a\` \`\\b\` \`\\t\` \`\\n\` \`\\v\` \`\\f\` \`\\r\` as in C; before any other character the backslash is taken off
- \`escaped_utf8\`: the same, and \`\\101\` \`\\x41\` \`\\u0041\` \`\\U00000041\` are characters, written as UTF-8
- \`mysql_quoted\`: a text in quotation marks as MySQL writes it; any other text stays

Of the rules of a field the first is taken. The one after it is taken after a failure only with the action \`try_next\` or
\`do_next\`, and after a success only with \`do_next\` and as long as the value is a text.`

export type TimeOptions = OptionsOf<typeof TIME_OPTIONS>

/** The reader of the record's time, or undefined when there is no Time_Format. */
export function timeReader(options: TimeOptions, ctx: ParserContext): TimeReader | undefined {
  const zone = zoneOf(options)
  if (options.timeFormat === undefined || !isFormat(options.timeFormat)) return undefined
  return compileTime(options.timeFormat, {
    zone,
    strict: options.timeStrict,
    nowMs: () => ctx.clock.nowMs(),
  })
}

/** The check of the option has said so already. */
function isFormat(format: string): boolean {
  return invalidIfThrows('', () => compileFormat(format)) === undefined
}

function zoneOf(options: TimeOptions): LocalZone {
  if (options.timeZone !== undefined) return namedZone(options.timeZone)
  if (options.timeSystemTimezone) return systemZone()
  return options.timeOffset === undefined ? UTC : offsetZone(options.timeOffset)
}
