import type { Section } from '../config-tree.ts'
import { translateBuffer } from './buffer.ts'
import { boolOf, hashOf, listOf } from './conversions.ts'
import { attributeOf, childOf, type Element, textOf, typeOf } from './element.ts'
import { refuseInject } from './kafka-output.ts'
import { applyRules, checkChildren, each, noted, OWN, option, type Rules, refused } from './params.ts'
import { fieldOf, setServer, setTemplate, setVerify } from './store-values.ts'
import { set, setFrom, type Translation } from './translation.ts'

const ALWAYS = noted('a request is sent again until it is acknowledged')

const HTTP: Rules = {
  endpoint: OWN,
  http_method: OWN,
  proxy: option('Proxy', 'secret'),
  content_type: OWN,
  json_array: OWN,
  headers: OWN,
  headers_from_placeholders: refused(
    'a record can have headers: headers_key of the output http in the classic format',
  ),
  open_timeout: option('Net.Connect_Timeout', 'time'),
  read_timeout: option('Http.Response_Timeout', 'time'),
  ssl_timeout: noted('it is part of open_timeout'),
  tls_ca_cert_path: option('tls.ca_file'),
  tls_client_cert_path: option('tls.crt_file'),
  tls_private_key_path: option('tls.key_file'),
  tls_private_key_passphrase: option('tls.key_passwd', 'secret'),
  tls_verify_mode: OWN,
  tls_version: noted('TLS 1.2 or 1.3 is used'),
  tls_ciphers: option('tls.ciphers'),
  compress: OWN,
  ...each(['error_response_as_unrecoverable', 'retryable_response_codes', 'reuse_connections'], ALWAYS),
}

const AUTH: Rules = {
  method: OWN,
  username: option('HTTP_User'),
  password: option('HTTP_Passwd', 'secret'),
}

/** Translates <match> @type http. */
export function translateHttpOutput(match: Element, translation: Translation): Section {
  const section = translation.section('OUTPUT', 'http', match)
  applyRules(match, HTTP, section, 'http', translation)
  checkChildren(match, ['buffer', 'format', 'inject', 'auth', 'secondary'], 'http', translation)
  const endpoint = attributeOf(match, 'endpoint')
  if (endpoint === undefined)
    translation.problem(
      'E_CONFIG_MISSING_OPTION',
      '[http] "endpoint" is missing',
      match.location,
      'it is the URL',
    )
  else if (endpoint.value?.includes('${'))
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      '[http] placeholders in "endpoint" are not supported',
      endpoint.valueLocation,
      'write a <match> for each',
    )
  else {
    const server = setServer(section, endpoint, 'http', translation)
    if (server !== undefined) setFrom(section, 'URI', endpoint, server.path)
  }
  const method = attributeOf(match, 'http_method')
  if (method !== undefined) setFrom(section, 'HTTP_Method', method, method.value?.toUpperCase())
  setHttpFormat(section, match, translation)
  const type = attributeOf(match, 'content_type')
  if (type !== undefined) setFrom(section, 'Header', type, `Content-Type ${type.value}`)
  setHeaders(section, match, 'headers', translation)
  const verify = attributeOf(match, 'tls_verify_mode')
  if (verify?.value === 'none') setFrom(section, 'tls.verify', verify, 'off')
  const compress = attributeOf(match, 'compress')
  if (compress?.value === 'gzip') setFrom(section, 'Compress', compress)
  const auth = childOf(match, 'auth')
  if (auth !== undefined) setAuth(section, auth, translation)
  refuseInject(match, 'http', translation)
  translateBuffer(match, section, 'http', translation)
  return section
}

function setAuth(section: Section, auth: Element, translation: Translation): void {
  const method = attributeOf(auth, 'method')
  if (method?.value === undefined || method.value === 'basic') {
    applyRules(auth, AUTH, section, 'http auth', translation)
    return
  }
  const message = `[http auth] the method ${method.value} is not supported`
  const hint = 'aws_auth of the output http signs requests, in the classic format'
  translation.problem('E_CONFIG_BAD_VALUE', message, method.valueLocation, hint)
}

/** The record as it is, without a time in it, as fluentd sends it. */
function setHttpFormat(section: Section, match: Element, translation: Translation): void {
  const format = childOf(match, 'format')
  const name = (format && typeOf(format)?.value) ?? 'json'
  const isArray = attributeOf(match, 'json_array')
  set(section, 'Json_Date_Key', 'off', (format ?? match).location)
  if (name === 'json')
    set(
      section,
      'Format',
      isArray !== undefined && boolOf(isArray, translation) === true ? 'json' : 'json_lines',
      match.location,
    )
  else {
    const message = `[http] the format ${name} is not supported`
    translation.problem('E_CONFIG_BAD_VALUE', message, (format ?? match).location, 'the format is json')
  }
}

function setHeaders(section: Section, match: Element, name: string, translation: Translation): void {
  const headers = attributeOf(match, name)
  if (headers === undefined) return
  for (const [key, value] of hashOf(headers, translation))
    setFrom(section, 'Header', headers, `${key} ${value}`)
}

const LOKI: Rules = {
  url: OWN,
  username: option('HTTP_User'),
  password: option('HTTP_Passwd', 'secret'),
  bearer_token_file: refused('write the token in bearer_token of the output loki, in the classic format'),
  cert: option('tls.crt_file'),
  key: option('tls.key_file'),
  ca_cert: option('tls.ca_file'),
  ciphers: option('tls.ciphers'),
  min_version: noted('TLS 1.2 or 1.3 is used'),
  insecure_tls: OWN,
  custom_headers: OWN,
  compress: noted('requests are protobuf with snappy'),
  tenant: OWN,
  extra_labels: OWN,
  line_format: OWN,
  extract_kubernetes_labels: option('Auto_Kubernetes_Labels', 'bool'),
  remove_keys: OWN,
  drop_single_key: OWN,
  include_thread_label: noted('records of a stream are sent in order'),
}

/** Translates <match> @type loki. */
export function translateLoki(match: Element, translation: Translation): Section {
  const section = translation.section('OUTPUT', 'loki', match)
  applyRules(match, LOKI, section, 'loki', translation)
  checkChildren(match, ['buffer', 'label', 'secondary'], 'loki', translation)
  const url = attributeOf(match, 'url')
  if (url === undefined)
    translation.problem(
      'E_CONFIG_MISSING_OPTION',
      '[loki] "url" is missing',
      match.location,
      'e.g. http://loki:3100',
    )
  else {
    const server = setServer(section, url, 'loki', translation)
    if (server !== undefined && server.path !== '/')
      setFrom(section, 'URI', url, `${server.path.replace(/\/$/, '')}/loki/api/v1/push`)
  }
  setVerify(section, attributeOf(match, 'insecure_tls'), true, translation)
  setHeaders(section, match, 'custom_headers', translation)
  const tenant = attributeOf(match, 'tenant')
  const key = /^\$\{([\w-]+)\}$/.exec(tenant?.value ?? '')?.[1]
  if (tenant !== undefined && key !== undefined && key !== 'tag')
    setFrom(section, 'Tenant_ID_Key', tenant, `$${key}`)
  else setTemplate(section, 'Tenant_ID', match, 'tenant', 'loki', translation)
  setLokiLabels(section, match, translation)
  const removed = attributeOf(match, 'remove_keys')
  if (removed !== undefined)
    setFrom(section, 'Remove_Keys', removed, listOf(removed, translation).map(fieldOf).join(','))
  // fluentd writes key_value by default, and the text of a single field as it is.
  set(section, 'Line_Format', textOf(match, 'line_format') ?? 'key_value', match.location)
  const single = attributeOf(match, 'drop_single_key')
  if (single !== undefined && boolOf(single, translation) === true)
    set(section, 'Drop_Single_Key', 'raw', single.location)
  translateBuffer(match, section, 'loki', translation)
  return section
}

function setLokiLabels(section: Section, match: Element, translation: Translation): void {
  const fields = childOf(match, 'label')
  const own = (fields?.attributes ?? []).map(
    ({ name, written = name, value }) =>
      `${written}=${fieldOf(value === undefined || value === '' ? written : value)}`,
  )
  const extra = attributeOf(match, 'extra_labels')
  const fixed =
    extra === undefined ? [] : hashOf(extra, translation).map(([name, value]) => `${name}=${value}`)
  const labels = [...own, ...fixed]
  if (labels.length > 0) set(section, 'Labels', labels.join(', '), (fields ?? match).location)
}
