import type { Section } from '../config-tree.ts'
import { boolOf, listOf } from './conversions.ts'
import { type Attribute, attributeOf, childOf, type Element } from './element.ts'
import { applyRules, checkChildren, ignored, OWN, option, type Rules } from './params.ts'
import { set, setFrom, type Translation } from './translation.ts'

const RULES: Rules = {
  geoip_lookup_keys: OWN,
  geoip_lookup_key: OWN,
  geoip2_database: option('Database'),
  geoip_database: ignored('databases of GeoIP Legacy are not read; geoip2_database names one of GeoIP2'),
  backend_library: OWN,
  skip_adding_null_record: OWN,
}

const DEFAULT_KEYS = ['host']
/** The one form of a value that has a counterpart: `${city.names.en["host"]}`. */
const PLACEHOLDER = /^"?\$\{([^[\]{}"']+)\[(?:"([^"\]]+)"|'([^'\]]+)')\]\}"?$/
const BLANK = /\s/
const HINT =
  'write one placeholder for each field, e.g. city ${city.names.en["host"]}, and join them with record_transformer'

/** Translates <filter> @type geoip into the filter geoip2. */
export function translateGeoip(filter: Element, translation: Translation): Section[] {
  const section = translation.section('FILTER', 'geoip2', filter)
  applyRules(filter, RULES, section, 'geoip', translation)
  checkChildren(filter, ['record'], 'geoip', translation)
  if (attributeOf(filter, 'geoip2_database') === undefined) {
    const hint = 'fetch a database of GeoIP2, e.g. GeoLite2-City.mmdb, and add geoip2_database PATH'
    translation.problem(
      'E_CONFIG_MISSING_OPTION',
      '[geoip] "geoip2_database" is missing: none is built in',
      filter.location,
      hint,
    )
  }
  const skips = attributeOf(filter, 'skip_adding_null_record')
  if (skips !== undefined && boolOf(skips, translation) === true)
    translation.warn(
      '[geoip] "skip_adding_null_record" has no effect: a field without a value is null',
      skips.location,
    )
  const keys = attributeOf(filter, 'geoip_lookup_keys') ?? attributeOf(filter, 'geoip_lookup_key')
  for (const key of keys === undefined ? DEFAULT_KEYS : listOf(keys, translation)) {
    if (keys === undefined) set(section, 'Lookup_Key', nested(key), filter.location)
    else setFrom(section, 'Lookup_Key', keys, nested(key))
  }
  for (const field of childOf(filter, 'record')?.attributes ?? []) setField(section, field, translation)
  return [section]
}

function setField(section: Section, field: Attribute, translation: Translation): void {
  const { name, value = '', location } = field
  const [, path, double, single] = PLACEHOLDER.exec(value) ?? []
  const key = double ?? single
  if (path === undefined || key === undefined || BLANK.test(name) || BLANK.test(key)) {
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      `[geoip] the field "${name}" is not one placeholder: "${value}"`,
      location,
      HINT,
    )
    return
  }
  setFrom(section, 'Record', field, `${name} ${nested(key)} %{${path}}`)
}

/** Returns the accessor of a key whose dots separate nested keys, as in this plugin of fluentd. */
function nested(key: string): string {
  const [first = '', ...rest] = key.split('.')
  return rest.length === 0 ? key : `$${first}${rest.map((step) => `['${step}']`).join('')}`
}
