import { invalidIfThrows } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import type { ParserContext } from '../../core/plugin.ts'
import { compileTimes, type TimeReader } from '../time/strptime.ts'
import { compileFormat } from '../time/strptime-format.ts'
import { type LocalZone, namedZone, offsetZone, systemZone, UTC } from '../time/zone.ts'
import { checkTypes } from '../values/typed-value.ts'

/**
 * Options for the field that holds the time of a record and for its format; all parsers but cri have them.
 */
export const TIME_OPTIONS = defineOptions({
  time_key: { type: 'string', default: 'time', help: 'Field that holds the time of the record.' },
  time_format: {
    type: 'string',
    repeat: true,
    check: (format: string) =>
      invalidIfThrows(
        'a strptime format',
        () => compileFormat(format),
        'the record gets the time at which it was read',
      ),
    help:
      'Format of the time, as in strptime(3). The first of several formats that matches is used. `%L` is a fraction of a ' +
      'second at any place; it may be missing together with the character or blanks before it. `%s` is a number since ' +
      '1970, in seconds with up to 10 digits, milliseconds with 13, microseconds with 16, nanoseconds with 19; in `1.5e9` ' +
      'the digits of the value count; a fraction is read by `%s.%L`. The formats `epoch`, `epoch_ms`, `epoch_us` and ' +
      '`epoch_ns` read a number in that unit, whatever its digits, with its fraction. In JSON the time may be a number or a string. A time without a year belongs to the latest ' +
      'year in which it is at most a day ahead; a time without a date is from today or yesterday. A zone ' +
      'directly after a time of ISO 8601 is read although the format has none; other text after it is ignored. Without a format, or when the time cannot be read, the record gets the time of reading and keeps the ' +
      'field; times that cannot be read are counted in `time_failed`. A format with an unknown conversion is ignored with ' +
      'a warning.',
  },
  time_keep: { type: 'bool', default: 'false', help: 'Keep the field in the record.' },
  time_strict: {
    type: 'bool',
    default: 'true',
    help: 'When false, the zone may be missing although the format has one. If a time cannot be parsed, its field stays and the record gets the time at which it was read.',
  },
  time_offset: {
    type: 'string',
    check: (text: string) => invalidIfThrows('an offset', () => offsetZone(text)),
    help: 'Offset of times without a zone, e.g. `+0900`. Default: UTC.',
  },
  time_zone: {
    type: 'string',
    check: (name: string) => invalidIfThrows('the name of a time zone', () => namedZone(name)),
    help: 'IANA name of the zone of times without one, e.g. `Europe/Berlin`. Takes precedence over Time_Offset.',
  },
  time_system_timezone: {
    type: 'bool',
    default: 'false',
    help: 'Read times without a zone in the local zone of this machine.',
  },
})

export const TYPES_OPTION = defineOptions({
  types: {
    type: 'slist',
    check: checkTypes,
    help: 'Types of fields: `name:integer`, `float`, `bool` or `hex`, separated by blanks. A value that does not match its type stays text. Integers are exact up to 64 bits.',
  },
})

export const DECODE_OPTION = defineOptions({
  decode_field: {
    type: 'slist',
    repeat: true,
    named: true,
    aliases: ['decode_field_as'],
    help: 'Decode a field that holds encoded text: `DECODER FIELD [try_next|do_next]`, as described for the parser.',
  },
})

/** Text for the descriptions of the parsers that have Decode_Field. */
export const DECODE_DESCRIPTION = `\`Decode_Field_As DECODER FIELD\` replaces the value of a field with its decoded form; \`Decode_Field json FIELD\`
keeps the value and appends the fields of the object to the record. The decoders are

- \`json\`: an object, with optional blanks around it; anything else is a failure
- \`escaped\`: \`\\a\` \`\\b\` \`\\t\` \`\\n\` \`\\v\` \`\\f\` \`\\r\` as in C; before any other character the backslash is removed
- \`escaped_utf8\`: like \`escaped\`, and \`\\101\` \`\\x41\` \`\\u0041\` \`\\U00000041\` are characters, written as UTF-8
- \`mysql_quoted\`: a text in quotation marks as MySQL writes it; any other text is unchanged

The first rule of a field is always applied. The next one is applied after a failure only if the action is \`try_next\`
or \`do_next\`, and after a success only if it is \`do_next\` and the value is still text.`

export type TimeOptions = OptionsOf<typeof TIME_OPTIONS>

/** Returns the reader of the record's time, or undefined without a valid Time_Format. */
export function timeReader(options: TimeOptions, ctx: ParserContext): TimeReader | undefined {
  const zone = zoneOf(options)
  const formats = options.timeFormat.filter(isFormat)
  if (formats.length === 0) return undefined
  return compileTimes(formats, {
    zone,
    strict: options.timeStrict,
    nowMs: () => ctx.clock.nowMs(),
  })
}

/** Returns true for a valid format; the check of the option has reported any other one already. */
function isFormat(format: string): boolean {
  return invalidIfThrows('', () => compileFormat(format)) === undefined
}

function zoneOf(options: TimeOptions): LocalZone {
  if (options.timeZone !== undefined) return namedZone(options.timeZone)
  if (options.timeSystemTimezone) return systemZone()
  return options.timeOffset === undefined ? UTC : offsetZone(options.timeOffset)
}
