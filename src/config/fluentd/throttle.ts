import type { Section } from '../config-tree.ts'
import { boolOf, listOf } from './conversions.ts'
import { attributeOf, type Element } from './element.ts'
import { applyRules, checkChildren, noted, OWN, option, type Rules } from './params.ts'
import { set, setFrom, type Translation } from './translation.ts'

const RULES: Rules = {
  group_key: OWN,
  group_bucket_period_s: OWN,
  group_bucket_limit: option('Rate', 'int'),
  group_reset_rate_s: OWN,
  group_drop_logs: OWN,
  group_warning_delay_s: noted('dropped records are reported once a minute'),
}

const DEFAULT_KEYS = ['kubernetes.container_name']
const DEFAULT_LIMIT = '6000'
const DEFAULT_PERIOD_S = '60'
const NO_RESET_RATE = '-1'
const DIGITS = /^[0-9]+$/
/** First key of a record accessor in a text. */
const NAME = /^[\p{L}\p{N}_]+$/u

/** Translates <filter> @type throttle into the filter throttle: its buckets are windows of one interval. */
export function translateThrottle(filter: Element, translation: Translation): Section[] {
  const drops = attributeOf(filter, 'group_drop_logs')
  if (drops !== undefined && boolOf(drops, translation) === false) {
    const message = '[throttle] has no effect with group_drop_logs false: warnings alone are not given'
    translation.warn(message, drops.location)
    return []
  }
  const section = translation.section('FILTER', 'throttle', filter)
  applyRules(filter, RULES, section, 'throttle', translation)
  checkChildren(filter, [], 'throttle', translation)
  if (attributeOf(filter, 'group_bucket_limit') === undefined)
    set(section, 'Rate', DEFAULT_LIMIT, filter.location)
  set(section, 'Window', '1', filter.location)
  setInterval(filter, section, translation)
  setKey(filter, section, translation)
  const reset = attributeOf(filter, 'group_reset_rate_s')
  if (reset?.value !== NO_RESET_RATE)
    translation.note(
      '[throttle] each period has its whole limit: group_reset_rate_s, by which fluentd drops for longer while the rate stays high, has no effect',
      reset?.location ?? filter.location,
    )
  return [section]
}

function setInterval(filter: Element, section: Section, translation: Translation): void {
  const period = attributeOf(filter, 'group_bucket_period_s')
  const value = period?.value ?? DEFAULT_PERIOD_S
  if (period === undefined) set(section, 'Interval', `${value}s`, filter.location)
  else if (DIGITS.test(value)) setFrom(section, 'Interval', period, `${value}s`)
  else
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      `[throttle] "group_bucket_period_s" must be a number of seconds, not "${value}"`,
      period.valueLocation,
    )
}

function setKey(filter: Element, section: Section, translation: Translation): void {
  const group = attributeOf(filter, 'group_key')
  const keys = group === undefined ? DEFAULT_KEYS : listOf(group, translation)
  const unusable = keys.find((key) => !isUsable(key))
  if (unusable !== undefined) {
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      `[throttle] "group_key" cannot name the field "${unusable}"`,
      group?.valueLocation ?? filter.location,
      'the name before the first dot may have letters, digits and "_"; rename the field with record_transformer before',
    )
    return
  }
  const value = keys.map(accessorOf).join(' ')
  if (group === undefined) set(section, 'Key', value, filter.location)
  else if (keys.length > 0) setFrom(section, 'Key', group, value)
  if (keys.length > 1)
    translation.note(
      '[throttle] records without one of the fields of group_key have a limit together; in fluentd such a field is one more value',
      group?.location ?? filter.location,
    )
}

function isUsable(key: string): boolean {
  const [first = '', ...rest] = key.split('.')
  return NAME.test(first) && rest.every((step) => step !== '' && !step.includes("'"))
}

/** Returns the record accessor of a key whose dots separate nested keys. */
function accessorOf(key: string): string {
  const [first = '', ...rest] = key.split('.')
  return `$${first}${rest.map((step) => `['${step}']`).join('')}`
}
