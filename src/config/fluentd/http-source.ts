import type { Section } from '../config-tree.ts'
import { moveOldParameters } from './compat.ts'
import { boolOf } from './conversions.ts'
import { attributeOf, childOf, type Element, textOf } from './element.ts'
import {
  applyRules,
  checkChildren,
  each,
  noted,
  OWN,
  option,
  type Rules,
  refused,
  refusedIfOn,
} from './params.ts'
import { setTls, warnWithoutBind } from './servers.ts'
import { set, type Translation } from './translation.ts'

const CORS = refused('browsers are not answered: put a proxy before the agent that does it')
const ADDS_FIELDS = refusedIfOn('let the sender add the fields')

const RULES: Rules = {
  port: option('Port', 'int'),
  bind: option('Listen'),
  body_size_limit: option('Buffer_Max_Size', 'size'),
  keepalive_timeout: option('http_server.idle_timeout', 'time'),
  add_remote_addr: option('Add_Remote_Addr', 'bool'),
  use_204_response: OWN,
  ...each(['add_http_headers', 'add_query_params'], ADDS_FIELDS),
  add_tag_prefix: refused('lead the tags on with a label: @label in the source'),
  ...each(['cors_allow_origins', 'cors_allow_credentials'], CORS),
  respond_with_empty_img: refusedIfOn('records come with POST'),
  backlog: noted('the system decides'),
  blocking_timeout: noted('nothing blocks'),
  dump_error_log: noted('requests that are refused are counted, and the first are logged'),
}

const JSON_TYPES = ['json', 'in_http']

/** Translates <source> @type http. */
export function translateHttp(source: Element, translation: Translation): Section {
  moveOldParameters(source, ['parse'])
  const section = translation.section('INPUT', 'http', source)
  applyRules(source, RULES, section, 'http', translation)
  checkChildren(source, ['parse', 'transport'], 'http', translation)
  warnWithoutBind(source, textOf(source, 'port') ?? '9880', translation)
  const isEmpty = attributeOf(source, 'use_204_response')
  const code = isEmpty !== undefined && boolOf(isEmpty, translation) === true ? '204' : '200'
  set(section, 'Successful_Response_Code', code, isEmpty?.location ?? source.location)
  setTls(section, source, 'http', translation)
  const limit = attributeOf(source, 'body_size_limit')
  if (limit === undefined)
    translation.note('[http] a body may have 4 MB; fluentd takes 32 MB', source.location)
  refuseParser(source, translation)
  translation.warn(
    '[http] the body of a request has to be JSON (application/json, application/x-ndjson) or lines of text: a form json=... becomes a record of its pairs, MessagePack is answered with 415, and the parameter time has no effect',
    source.location,
  )
  const message =
    '[http] a slash within the path of a request becomes _ in the tag, and a dot in fluentd; the answer comes when the records were delivered'
  translation.note(message, source.location)
  return section
}

function refuseParser(source: Element, translation: Translation): void {
  const parse = childOf(source, 'parse')
  const type = parse === undefined ? undefined : attributeOf(parse, '@type')
  if (parse === undefined || JSON_TYPES.includes(type?.value ?? 'in_http')) {
    const key = parse === undefined ? undefined : attributeOf(parse, 'time_key')
    if (key !== undefined) {
      const note = '[http] "time_key" has no effect: records have the time of arrival, and keep the field'
      translation.warn(note, key.location)
    }
    return
  }
  translation.problem(
    'E_CONFIG_BAD_VALUE',
    `[http] <parse> of type ${type?.value} is not supported`,
    parse.location,
    'bodies are JSON; the filter parser can parse a field of the records',
  )
}
