import type { Section } from '../config-tree.ts'
import { reportAbsent } from './absent.ts'
import {
  translateCloudwatchLogs,
  translateKinesisFirehose,
  translateKinesisStreams,
  translateS3,
} from './aws-outputs.ts'
import { translateElasticsearch, translateOpensearch } from './bulk-outputs.ts'
import { moveOldParameters } from './compat.ts'
import { attributeOf, childrenOf, type Element, typeOf } from './element.ts'
import { translateFile, translateStdout } from './file-outputs.ts'
import { translateForwardOutput } from './forward-output.ts'
import { translateHttpOutput, translateLoki } from './http-outputs.ts'
import { translateKafka } from './kafka-output.ts'
import { translateKinesisAggregation } from './kinesis-aggregation.ts'
import { applyRules, checkChildren, noted, type Rules } from './params.ts'
import { toForward } from './secure-forward.ts'
import { translateGelf, translateRemoteSyslog } from './socket-outputs.ts'
import { ROOT_LABEL, type Translation } from './translation.ts'
import { translateDatadog, translateSplunkHec } from './vendor-outputs.ts'

type Target = { output: Section } | { label: string }

type OutputForm = (match: Element, translation: Translation) => Section | undefined

/** Outputs of fluentd that have a counterpart. A new output adds its form here. */
const FORMS: Readonly<Record<string, OutputForm>> = {
  forward: translateForwardOutput,
  secure_forward: (match, translation) => {
    toForward(match)
    return translateForwardOutput(match, translation)
  },
  kafka: translateKafka,
  kafka2: translateKafka,
  kafka_buffered: translateKafka,
  rdkafka: translateKafka,
  rdkafka2: translateKafka,
  elasticsearch: translateElasticsearch,
  elasticsearch_dynamic: translateElasticsearch,
  elasticsearch_data_stream: translateElasticsearch,
  opensearch: translateOpensearch,
  opensearch_data_stream: translateOpensearch,
  http: translateHttpOutput,
  loki: translateLoki,
  splunk_hec: translateSplunkHec,
  datadog: translateDatadog,
  s3: translateS3,
  cloudwatch_logs: translateCloudwatchLogs,
  kinesis_streams: translateKinesisStreams,
  kinesis_firehose: translateKinesisFirehose,
  gelf: translateGelf,
  remote_syslog: translateRemoteSyslog,
  syslog: translateRemoteSyslog,
  'kinesis-aggregation': translateKinesisAggregation,
  stdout: translateStdout,
  file: translateFile,
  null: translateNull,
}

/** Types whose own parameters include_tag_key and tag_key are, and no old ones for <inject>. */
const TAG_KEY: ReadonlySet<string> = new Set([
  'elasticsearch',
  'elasticsearch_dynamic',
  'elasticsearch_data_stream',
  'opensearch',
  'opensearch_data_stream',
  'datadog',
])

const COPY: Rules = {
  copy_mode: noted('each output gets the records as they are'),
  deep_copy: noted('each output gets the records as they are'),
}
const MAX_NESTED = 20

/** Names of the types that a match may have. */
const KNOWN = [...Object.keys(FORMS), 'copy', 'relabel', 'rewrite_tag_filter']

/** Translates <match> or <store> into what gets its records, in order; empty after a problem. */
export function translateMatch(match: Element, translation: Translation, depth = 0): Target[] {
  const type = typeOf(match)?.value ?? ''
  if (type === 'copy' && depth < MAX_NESTED) return translateCopy(match, translation, depth)
  if (type === 'copy') {
    const message = `[copy] more than ${MAX_NESTED} copies are within each other`
    translation.problem(
      'E_CONFIG_BAD_VALUE',
      message,
      match.location,
      'put the stores into one <match> with copy',
    )
    return []
  }
  if (type === 'relabel') return translateRelabel(match, translation)
  if (type === 'rewrite_tag_filter') {
    const message = '[copy] rewrite_tag_filter cannot be a <store>'
    const hint = 'let the <store> relabel to a <label> with this <match>'
    translation.problem('E_CONFIG_BAD_VALUE', message, match.location, hint)
    return []
  }
  const form = Object.hasOwn(FORMS, type) ? FORMS[type] : undefined
  if (form === undefined) {
    reportAbsent('match', match, KNOWN, translation)
    return []
  }
  const hasTagKey = TAG_KEY.has(type)
  moveOldParameters(match, hasTagKey ? ['buffer', 'format'] : ['buffer', 'format', 'inject'])
  const output = form(match, translation)
  return output === undefined ? [] : [{ output }]
}

function translateCopy(match: Element, translation: Translation, depth: number): Target[] {
  applyRules(match, COPY, undefined, 'copy', translation)
  checkChildren(match, ['store'], 'copy', translation)
  const stores = childrenOf(match, 'store')
  if (stores.length === 0)
    translation.problem(
      'E_CONFIG_MISSING_OPTION',
      '[copy] there is no <store>',
      match.location,
      'add one for each output',
    )
  return stores.flatMap((store) => {
    if (store.argument !== '')
      translation.note(
        `[copy] "${store.argument}" has no effect: an output that fails holds up no other`,
        store.location,
      )
    return translateMatch(store, translation, depth + 1)
  })
}

function translateRelabel(match: Element, translation: Translation): Target[] {
  const label = attributeOf(match, '@label')
  applyRules(match, {}, undefined, 'relabel', translation)
  if (label?.value === ROOT_LABEL) return [{ label: '' }]
  if (label?.value !== undefined && label.value !== '') {
    translation.uses(label.value, label.valueLocation)
    return [{ label: label.value }]
  }
  const message = '[relabel] "@label" is missing'
  translation.problem(
    'E_CONFIG_MISSING_OPTION',
    message,
    match.location,
    'it names the <label> that gets the records',
  )
  return []
}

function translateNull(match: Element, translation: Translation): Section {
  return translation.section('OUTPUT', 'null', match)
}
