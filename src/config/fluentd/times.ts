import type { Section } from '../config-tree.ts'
import { boolOf, listOf } from './conversions.ts'
import { type Attribute, attributeOf, type Element } from './element.ts'
import { OWN, type Rules } from './params.ts'
import { set, setFrom, type Translation } from './translation.ts'

/** Parameters of a parser that concern the time of the record. */
export const TIME_RULES: Rules = {
  time_key: OWN,
  time_format: OWN,
  time_format_fallbacks: OWN,
  time_type: OWN,
  timezone: OWN,
  localtime: OWN,
  utc: OWN,
  keep_time_key: OWN,
}

const FRACTION = /%\d*N|%\d+L/g
const OFFSET = /^[-+]\d\d:?\d\d$/
/** Formats of a time without a format, which Ruby would find out. */
const USUAL_FORMATS = [
  '%Y-%m-%dT%H:%M:%S.%L%z',
  '%Y-%m-%d %H:%M:%S.%L %z',
  '%Y-%m-%d %H:%M:%S.%L',
  '%d/%b/%Y:%H:%M:%S %z',
  '%a, %d %b %Y %H:%M:%S %z',
  '%b %d %H:%M:%S',
  '%Y/%m/%d %H:%M:%S.%L',
  '%Y%m%dT%H%M%S%z',
  '%b %d %Y %H:%M:%S',
  '%Y-%m-%d',
]
/** Types of a time that is a number of seconds. */
const NUMERIC = ['float', 'unixtime']
const ISO8601 = '%Y-%m-%dT%H:%M:%S.%L%z'

/** Defaults of a parser, where they differ from those of the others. */
export interface TimeDefaults {
  key?: string
  format?: string
  /** `float`: a number of seconds. */
  type?: 'string' | 'float'
}

/**
 * Sets the options of a parser that concern the time. As in fluentd the field is removed unless `keep_time_key`, and a time without
 * a zone is local. Formats with a `Z` at their end are read as UTC, which fluentd takes for local time.
 */
export function setTime(
  section: Section,
  parse: Element,
  defaults: TimeDefaults,
  translation: Translation,
): void {
  const key = attributeOf(parse, 'time_key')
  if (key !== undefined) setFrom(section, 'Time_Key', key)
  else if (defaults.key !== undefined && defaults.key !== 'time')
    set(section, 'Time_Key', defaults.key, parse.location)
  setFormats(section, parse, defaults, translation)
  const keep = attributeOf(parse, 'keep_time_key')
  if (keep !== undefined && boolOf(keep, translation) === true) setFrom(section, 'Time_Keep', keep, 'on')
  setZone(section, parse, translation)
}

function setFormats(
  section: Section,
  parse: Element,
  defaults: TimeDefaults,
  translation: Translation,
): void {
  const format = attributeOf(parse, 'time_format')
  const type = attributeOf(parse, 'time_type')
  const kind = type?.value ?? (format === undefined ? (defaults.type ?? 'string') : 'string')
  if (NUMERIC.includes(kind)) {
    set(section, 'Time_Format', 'epoch', type?.location ?? parse.location)
    return
  }
  const written = format?.value ?? defaults.format
  const fallbacks = kind === 'mixed' ? attributeOf(parse, 'time_format_fallbacks') : undefined
  if (written === undefined && fallbacks !== undefined) {
    setFallbacks(section, fallbacks, translation)
    return
  }
  if (written === undefined) {
    for (const usual of USUAL_FORMATS) set(section, 'Time_Format', usual, parse.location)
    translation.note(
      'a time without time_format is read in ten usual formats; fluentd tries more',
      parse.location,
    )
    return
  }
  const at = format ?? { location: parse.location, valueLocation: parse.location }
  set(section, 'Time_Format', timeFormat(written), at.location, at.valueLocation)
  if (fallbacks !== undefined) setFallbacks(section, fallbacks, translation)
  if (written.endsWith('Z') && !written.endsWith('%Z') && format !== undefined)
    translation.note(
      'the Z of time_format is read as UTC; fluentd reads such times as local',
      format.location,
    )
}

function setFallbacks(section: Section, fallbacks: Attribute, translation: Translation): void {
  for (const other of listOf(fallbacks, translation))
    setFrom(section, 'Time_Format', fallbacks, NUMERIC.includes(other) ? 'epoch' : timeFormat(other))
}

/** Returns a format of Ruby's strptime as ours: fractions are `%L`, and a final `Z` is a zone. */
function timeFormat(format: string): string {
  if (format === '%iso8601') return ISO8601
  const ours = format.replace(FRACTION, '%L')
  return ours.endsWith('Z') && !ours.endsWith('%Z') ? `${ours.slice(0, -1)}%z` : ours
}

function setZone(section: Section, parse: Element, translation: Translation): void {
  const zone = attributeOf(parse, 'timezone')
  if (zone?.value !== undefined) {
    setFrom(
      section,
      OFFSET.test(zone.value) ? 'Time_Offset' : 'Time_Zone',
      zone,
      OFFSET.test(zone.value) ? zone.value.replace(':', '') : zone.value,
    )
    return
  }
  const local = attributeOf(parse, 'localtime')
  const utc = attributeOf(parse, 'utc')
  const isUtc =
    (utc !== undefined && boolOf(utc, translation) === true) ||
    (local !== undefined && boolOf(local, translation) === false)
  if (!isUtc) set(section, 'Time_System_Timezone', 'on', parse.location)
}
