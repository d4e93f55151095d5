import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FilterContext } from '../../../src/core/plugin.ts'
import type { CounterMap } from '../../../src/engine/counters.ts'
import { parserOf } from '../../plugins/filters/parser/support.ts'
import type { Texts } from '../../support/engine/filter-run.ts'
import { imdsHandler, startService } from '../../support/metadata-service.ts'
import { writeMmdb } from '../../support/mmdb.ts'
import type { RawPair } from '../../support/records/raw-record.ts'
import { tmp } from '../../support/tmp.ts'

/** What becomes of a record: it is in the chunk, under another tag, both, or nowhere. */
export type Fate = 'out' | 'rerouted' | 'both' | 'dropped'

/** In the list of keys: those that are no texts. */
export const NO_TEXT = '(no text)'

/** A configuration of a filter, and what it does by design. */
export interface FilterCase {
  filter: string
  /** What the configuration is about, if the filter has several. */
  what?: string
  texts: Texts | (() => Texts | Promise<Texts>)
  context?: Partial<FilterContext>
  tag?: string
  /** Keys whose pairs the configuration may add, change, move or remove; `name*`: all with this prefix. The first is tried most. */
  keys: readonly string[]
  /** Expression for the values that may be changed under any key. */
  changedValues?: RegExp
  /** Other keys may be gone: those that it does not name are removed. */
  discards?: boolean
  /** Of a key that a record has twice only the last is kept. */
  merges?: boolean
  /** A joined record gets pairs of its last part. */
  gains?: boolean
  /** The order of the pairs may be another; 'keys': keys are written anew; 'object': so are the values that the filter states. */
  reorders?: 'pairs' | 'keys' | 'object'
  /** Texts that the record with this number has besides: for a filter that does nothing without certain keys. */
  extra?(number: number): Record<string, string>
  /** What tells which record it is, where the time may change ('id') or records are joined ('log'). */
  identity?: 'id' | 'log'
  fate?(pairs: readonly RawPair[]): Fate
  /** Number of records that were dropped, where that depends on more than the record. */
  dropped?(counters: CounterMap): number
  /** Records may be given up. */
  rejects?: boolean
  /** What becomes of an entry that is no record; default: it goes on unchanged. */
  malformed?: 'dropped' | 'counted'
  /** Why the result depends on more than the chunk. */
  isStateful?: string
  /** Records that are open at the end stay with their input: the next run reads them again. */
  isHeld?: boolean
  /** Why the filter is refused as a processor of an output. */
  notInOutput?: string
}

const encodedText = (value: Buffer | undefined): string | undefined => {
  if (value === undefined) return undefined
  const type = value[0] as number
  const head =
    type >= 0xa0 && type <= 0xbf
      ? 1
      : type === 0xd9 || type === 0xc4
        ? 2
        : type === 0xda || type === 0xc5
          ? 3
          : type === 0xdb || type === 0xc6
            ? 5
            : -1
  return head < 0 ? undefined : value.toString('latin1', head)
}

/** Returns the text that the last pair with a key has. */
const textOf = (pairs: readonly RawPair[], key: string): string | undefined =>
  encodedText(pairs.findLast((pair) => pair.key === key)?.value)

function fileOf(name: string, content: string | Buffer): string {
  const path = join(tmp(), name)
  writeFileSync(path, content)
  return path
}

const parser: Partial<FilterContext> = { parser: parserOf }

const SCRIPT = `export function cb(tag, time, record) {
  if (record.level === 'drop') return [-1]
  if (record.level === 'keep') return [0]
  if (record.level === 'fail') throw new Error('no')
  record.a = String(record.num)
  delete record.text
  return [2, time, record]
}`

const LUA = `function cb(tag, ts, r)
  if r.level == "drop" then return -1, ts, r end
  if r.level == "keep" then return 0, ts, r end
  if r.level == "fail" then error("no") end
  r.a = tostring(r.num)
  r.text = nil
  return 2, ts, r
end`

/** Cluster and task of the ECS agent; every question has an answer. */
async function ecsPort(): Promise<string> {
  const { port } = await startService((request, response) => {
    const isCluster = new URL(request.url ?? '', 'http://agent').pathname === '/v1/metadata'
    const arn = 'arn:aws:ecs:eu-central-1:123456789012:'
    const cluster = {
      Cluster: 'shop',
      ContainerInstanceArn: `${arn}container-instance/shop/4d5e6f`,
      Version: 'v1',
    }
    const container = { DockerId: '79c796ed2a7f', DockerName: 'ecs-web', Name: 'nginx' }
    const task = { Arn: `${arn}task/shop/e01`, Family: 'web', Version: '7', Containers: [container] }
    response.end(JSON.stringify(isCluster ? cluster : task))
  })
  return String(port)
}

async function awsTexts(): Promise<Texts> {
  const META = '/latest/meta-data'
  const values = { [`${META}/placement/availability-zone`]: 'eu-1a', [`${META}/instance-id`]: 'i-1' }
  const { url } = await startService(imdsHandler({ values, tokens: ['t'] }))
  // The filter reads it when it is created, which follows at once.
  process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT = url
  return {}
}

const geoFile = (): string =>
  fileOf('a.mmdb', writeMmdb([{ address: [192, 0, 2, 0], prefix: 24, value: { city: { name: 'Köln' } } }]))

/** Values with something that looks like a secret, or has done so. */
const SECRET = /4111|@|192\.0\.2|::|REDACTED/

const OPEN_RECORDS = 'an open record of a chunk is completed by the next'

/** At least one configuration of every filter. */
export const CASES: readonly FilterCase[] = [
  {
    filter: 'grep',
    what: 'Exclude and Regex',
    texts: { exclude: ['level ^drop$', "$nested['a']['b'] ^x"], regex: 'id .' },
    keys: [],
    fate: (pairs) => (textOf(pairs, 'level') === 'drop' ? 'dropped' : 'out'),
  },
  {
    filter: 'grep',
    what: 'Values_As_Text',
    texts: { exclude: ['level ^drop$', 'log ^never$'], values_as_text: 'on', logical_op: 'OR' },
    keys: [],
    fate: (pairs) =>
      textOf(pairs, 'level') === 'drop' || textOf(pairs, 'log') === 'never' ? 'dropped' : 'out',
  },
  {
    filter: 'record_modifier',
    what: 'Record and Remove_key',
    texts: { record: ['a new', 'b other'], remove_key: ['LOG', 'k8s_*'], uuid_key: 'uuid' },
    keys: ['a', 'b', 'log', 'LOG', 'k8s_*', 'uuid', 'K8S_*'],
    isStateful: 'each record gets another UUID',
  },
  {
    filter: 'record_modifier',
    what: 'Allowlist_key',
    texts: { allowlist_key: ['id', 'untouched', 'k8s_*'], record: 'a new' },
    keys: ['a', 'k8s_*'],
    discards: true,
  },
  {
    filter: 'record_transformer',
    what: 'values of the record',
    texts: {
      record: ['a ${record["log"]} ${tag}', 'b ${record["nested"]}', 'c ["${time}"]'],
      remove_keys: 'text,$.nested.a.b',
    },
    keys: ['a', 'b', 'c', 'text', 'nested'],
  },
  {
    filter: 'record_transformer',
    what: 'Enable_Ruby and Renew_Record',
    texts: {
      record: 'a ${record["num"].to_s + tag}',
      enable_ruby: 'on',
      renew_record: 'on',
      keep_keys: 'untouched,id,log',
    },
    keys: ['a', 'log'],
    discards: true,
    merges: true,
    reorders: 'keys',
  },
  {
    filter: 'record_transformer',
    what: 'Renew_Time_Key',
    texts: { renew_time_key: 'num' },
    keys: ['num'],
    identity: 'id',
  },
  {
    filter: 'kubernetes',
    what: 'metadata of the tag',
    texts: { use_tag_for_meta: 'on' },
    tag: 'kube.var.log.containers.web-1_shop_nginx-0123456789012345678901234567890123456789012345678901234567890123.log',
    keys: ['kubernetes', 'kubernetes_namespace'],
    merges: true,
  },
  {
    filter: 'kubernetes',
    what: 'Merge_Log',
    texts: { use_tag_for_meta: 'on', merge_log: 'on', keep_log: 'off' },
    tag: 'kube.var.log.containers.web-1_shop_nginx-0123456789012345678901234567890123456789012345678901234567890123.log',
    keys: ['kubernetes', 'kubernetes_namespace', 'log', 'p', 'q', 'a'],
    merges: true,
  },
  {
    filter: 'modify',
    what: 'all rules',
    texts: {
      set: [
        ...[
          'set a one',
          'add b two',
          'remove text',
          'remove_wildcard k8s_n',
          'remove_regex ^k8s_p',
          'rename log message',
        ],
        ...[
          'hard_rename num number',
          'copy level severity',
          'hard_copy ip nested',
          'move_to_start c',
          'move_to_end stream',
        ],
      ],
    },
    keys: [
      'a',
      'b',
      'text',
      'k8s_*',
      'log',
      'message',
      'num',
      'number',
      'level',
      'severity',
      'ip',
      'nested',
      'c*',
      'stream*',
    ],
  },
  {
    filter: 'modify',
    what: 'conditions',
    texts: {
      condition: [
        'Key_exists log',
        'No_key_matches ^never',
        "Key_value_does_not_equal $nested['a'] x",
        'Matching_keys_do_not_have_matching_values ^k8s ^never',
      ],
      set: ['set a one', 'rename log a'],
    },
    keys: ['a', 'log'],
  },
  {
    filter: 'nest',
    what: 'nest',
    texts: { operation: 'nest', wildcard: ['k8s_*', 'a', ''], nest_under: 'nested', remove_prefix: 'k8s_' },
    keys: ['nested', 'k8s_*', 'a', ''],
  },
  {
    filter: 'nest',
    what: 'lift',
    texts: { operation: 'lift', nested_under: 'nested', add_prefix: 'up_' },
    keys: ['nested', 'up_*', NO_TEXT],
    merges: true,
  },
  {
    filter: 'type_converter',
    texts: {
      str_key: ['text a int', 'text b float', 'text c bool'],
      int_key: ['num num string', "$nested['a'] d float"],
      float_key: 'num e int',
      uint_key: 'num h hex',
    },
    keys: ['num', 'a', 'b', 'c', 'd', 'e', 'h'],
  },
  {
    filter: 'multiline',
    what: 'java',
    texts: { 'multiline.parser': 'java', 'multiline.key_content': 'log' },
    keys: ['log'],
    identity: 'log',
    isStateful: OPEN_RECORDS,
  },
  {
    filter: 'multiline',
    what: 'partial_message',
    texts: { mode: 'partial_message', 'multiline.key_content': 'log' },
    keys: ['log', 'partial*'],
    extra: (number) => ({
      partial_message: 'true',
      partial_id: `id ${number >> 2}`,
      partial_last: String(number % 4 === 3),
    }),
    identity: 'log',
    isStateful: OPEN_RECORDS,
  },
  {
    filter: 'concat',
    what: 'start and end',
    texts: { key: 'log', multiline_start_regexp: '/^start/', flush_interval: '5' },
    keys: ['log'],
    identity: 'log',
    isStateful: OPEN_RECORDS,
  },
  {
    filter: 'concat',
    what: 'a number of lines',
    texts: { key: 'log', n_lines: '3', use_first_timestamp: 'on', stream_identity_key: 'stream' },
    keys: ['log'],
    gains: true,
    extra: (number) => ({ stream: `stream ${number % 2}` }),
    identity: 'log',
    isStateful: OPEN_RECORDS,
  },
  {
    filter: 'concat',
    what: 'parts with a mark',
    texts: { key: 'log', partial_key: 'part', partial_value: 'more', flush_interval: '0' },
    keys: ['log', 'part'],
    gains: true,
    extra: (number) => ({ part: number % 3 === 2 ? 'last' : 'more' }),
    identity: 'log',
    isStateful: OPEN_RECORDS,
    isHeld: true,
  },
  {
    filter: 'parser',
    what: 'Reserve_Data',
    texts: { key_name: 'log', parser: ['json', 'request'], reserve_data: 'on' },
    context: parser,
    keys: ['log', 'p', 'q', 'a', 'verb', 'path'],
    merges: true,
  },
  {
    filter: 'parser',
    what: 'without Reserve_Data',
    texts: { key_name: '$nested["log"]', parser: ['letters', 'json'] },
    context: parser,
    keys: ['nested', 'word'],
    discards: true,
    merges: true,
  },
  {
    filter: 'rewrite_tag',
    texts: {
      rule: [
        '$level ^move$ moved.$TAG[0] false',
        '$level ^copy$ copied.$TAG true',
        "$nested['a'] ^no-such-text$ never.$log false",
      ],
    },
    keys: [],
    fate: (pairs) => {
      const level = textOf(pairs, 'level')
      return level === 'move' ? 'rerouted' : level === 'copy' ? 'both' : 'out'
    },
    notInOutput: 'an output has no other tag to send records to',
  },
  {
    filter: 'throttle',
    what: 'drop',
    texts: { rate: '1', window: '5', key: "$level $nested['a'] $TAG" },
    keys: [],
    malformed: 'counted',
    dropped: (counters) => counters.get('dropped'),
    isStateful: 'it counts',
  },
  {
    filter: 'throttle',
    what: 'delay',
    texts: { rate: '1', action: 'delay' },
    keys: [],
    isStateful: 'it counts',
  },
  {
    filter: 'redact',
    what: 'all kinds',
    texts: { kind: 'card,iban,email,jwt,key,password,ipv4,ipv6', redact_keys: 'on' },
    keys: [],
    changedValues: SECRET,
    rejects: true,
  },
  {
    filter: 'redact',
    what: 'patterns in one field',
    texts: { kind: 'none', key: ['log', "$nested['a']"], pattern: 'own o[nk]', on_error: 'drop' },
    keys: ['log', 'nested'],
    rejects: true,
  },
  {
    filter: 'script',
    texts: () => ({ script: fileOf('a.mjs', SCRIPT) }),
    keys: ['a', 'num', 'text'],
    merges: true,
    reorders: 'object',
    rejects: true,
    fate: (pairs) => (textOf(pairs, 'level') === 'drop' ? 'dropped' : 'out'),
  },
  {
    filter: 'lua',
    texts: { code: LUA, call: 'cb' },
    keys: ['a', 'num', 'text'],
    merges: true,
    reorders: 'pairs',
    rejects: true,
    fate: (pairs) => (textOf(pairs, 'level') === 'drop' ? 'dropped' : 'out'),
  },
  ...(['insert', 'upsert', 'delete', 'rename', 'hash', 'extract', 'convert'] as const).map(
    (action): FilterCase => ({
      filter: 'content_modifier',
      what: action,
      texts: { action, key: 'a', value: 'b', pattern: '(?<c>x)|(?<b>y)', converted_type: 'string' },
      keys: ['a', 'b', 'c'],
    }),
  ),
  {
    filter: 'checklist',
    texts: () => ({
      file: fileOf('list.txt', 'listed\n12\n%rror\n'),
      mode: 'partial',
      lookup_key: 'log',
      record: ['a yes', 'b null'],
    }),
    keys: ['a', 'b'],
  },
  {
    filter: 'sysinfo',
    texts: { hostname_key: 'a', os_name_key: 'b', fluentbit_version_key: 'untold', kernel_version_key: 'b' },
    keys: ['a', 'b', 'untold'],
  },
  { filter: 'aws', texts: awsTexts, keys: ['az', 'ec2_instance_id'] },
  {
    filter: 'ecs',
    texts: async () => ({
      ecs_meta_port: await ecsPort(),
      ecs_tag_prefix: 'ecs.',
      add: ['a $ClusterName', 'b $TaskDefinitionFamily'],
    }),
    tag: 'ecs.79c796ed2a7f.log',
    keys: ['a', 'b'],
    isStateful: 'the task is asked for with the first chunk',
  },
  {
    filter: 'geoip2',
    texts: () => ({
      database: geoFile(),
      lookup_key: ['ip', "$nested['a']"],
      record: ['a ip %{city.name}', 'b ip %{city}'],
    }),
    keys: ['a', 'b'],
  },
  {
    filter: 'expect',
    what: 'warn',
    texts: { key_exists: 'log', key_val_eq: "$nested['a'] x", key_val_is_not_null: 'num' },
    keys: [],
  },
  {
    filter: 'expect',
    what: 'result_key',
    texts: { key_exists: 'log', action: 'result_key', result_key: 'a' },
    keys: ['a'],
  },
  {
    filter: 'expect',
    what: 'exit',
    texts: { key_exists: 'log', action: 'exit' },
    keys: [],
  },
  { filter: 'stdout', texts: {}, keys: [] },
  {
    filter: 'log_to_metrics',
    what: 'counter',
    texts: {
      metric_name: 'hits',
      label_field: ['log', 'level'],
      add_label: "x $nested['a']",
      exclude: 'text ^never',
    },
    keys: [],
  },
  {
    filter: 'log_to_metrics',
    what: 'Discard_Logs',
    texts: { metric_mode: 'histogram', value_field: 'num', discard_logs: 'on' },
    keys: [],
    fate: () => 'dropped',
    malformed: 'dropped',
  },
]
