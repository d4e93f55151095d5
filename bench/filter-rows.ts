import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'

import { double, uint16, writeMmdb } from '../test/support/mmdb.ts'

/** A row of the table of filters.bench.ts. */
export interface Row {
  name: string
  /** The options as in a [FILTER] section; `folder` has the files of `writeFiles`. Undefined: a row without a filter. */
  options?: (folder: string) => string
  /** The record with a number; default: the typical one. */
  record?: (i: number) => object
  /** What a filter gets that asks other machines, instead of their answer. */
  given?: Record<string, unknown>
}

const HERE = import.meta.dirname
/** Functions of the filter script. */
const SCRIPT = resolve(HERE, 'filters-script.ts')
/** Lines of many programs, none of which has a secret. */
const LINES = readFileSync(resolve(HERE, '../test/fixtures/redact/clean.txt'), 'utf8').trimEnd().split('\n')
const WORDS = 'the quick request of client 10.1.2.3 was handled by node seven within limits '
const LISTED = 1000
const POD = {
  pod_name: 'web-5d4f7c9b8-x2x1',
  namespace_name: 'shop',
  pod_id: '0c8f7bd5-5b0e-4b0a-9c9a-4f0d3f6d8a11',
  labels: { app: 'web', 'app.kubernetes.io/name': 'web', 'pod-template-hash': '5d4f7c9b8' },
  host: 'node-7',
  container_name: 'web',
  container_image: 'registry.example.com/shop/web:1.24.0',
}
const LUA_SET = 'if r.level == "warn" then r.team = "shop" end r.env = "production" return 2, ts, r'
const LUA_GSUB =
  'r.log = string.gsub(r.log, "(%d+)%.%d+%.%d+%.%d+", "%1.x.x.x") r.node = string.match(r.log, "node (%a+)") return 2, ts, r'

const lua = (body: string) => (): string => `Name lua\nCall cb\nCode function cb(tag, ts, r) ${body} end`
const script = (call: string) => (): string => `Name script\nScript ${SCRIPT}\nCall ${call}`
const parser = (name: string, others = '') => {
  return (): string => `Name parser\nKey_Name log\nParser ${name}${others}`
}
const RESERVE = '\nReserve_Data on'

/** A further filter is one line here. */
export const ROWS: readonly Row[] = [
  { name: 'none' },
  { name: 'decode+encode' },
  { name: 'grep', options: () => 'Name grep\nRegex log error|warn|request' },
  { name: 'grep-literal', options: () => 'Name grep\nExclude log healthz' },
  { name: 'grep-nested', options: () => "Name grep\nRegex $kubernetes['namespace_name'] ^shop" },
  { name: 'grep-or', options: () => 'Name grep\nLogical_Op or\nRegex level warn\nRegex stream stderr' },
  { name: 'record_modifier', options: () => 'Name record_modifier\nRecord host web1\nRemove_key stream' },
  {
    name: 'record_modifier-allow',
    options: () => 'Name record_modifier\nAllowlist_key log\nAllowlist_key kube*',
  },
  { name: 'record_modifier-uuid', options: () => 'Name record_modifier\nUuid_key id' },
  {
    name: 'modify',
    options: () =>
      'Name modify\nCondition Key_value_equals stream stdout\nRename log message\nAdd env production\nRemove thread',
  },
  { name: 'modify-set', options: () => 'Name modify\nSet env production' },
  { name: 'modify-regex', options: () => 'Name modify\nRemove_regex ^(stream|thread)$\nMove_to_start kube' },
  { name: 'nest', options: () => 'Name nest\nOperation nest\nWildcard s*\nWildcard thread\nNest_under meta' },
  {
    name: 'nest-lift',
    options: () => 'Name nest\nOperation lift\nNested_under kubernetes\nAdd_prefix k8s_',
  },
  { name: 'parser-json', options: parser('json'), record: withLog(jsonLine) },
  { name: 'parser-json-reserve', options: parser('json', RESERVE), record: withLog(jsonLine) },
  { name: 'parser-nginx', options: parser('nginx'), record: withLog(nginxLine) },
  { name: 'parser-nginx-reserve', options: parser('nginx', RESERVE), record: withLog(nginxLine) },
  { name: 'rewrite_tag', options: () => 'Name rewrite_tag\nRule $log ^\\d*[02468]\\s even.$TAG false' },
  { name: 'rewrite_tag-keep', options: () => 'Name rewrite_tag\nRule $level ^warn$ $level.$TAG true' },
  { name: 'throttle', options: () => 'Name throttle\nRate 1000\nWindow 5\nInterval 1s' },
  { name: 'throttle-key', options: () => "Name throttle\nRate 1000\nKey $kubernetes['pod_name']" },
  { name: 'type_converter', options: () => 'Name type_converter\nint_key status code string' },
  { name: 'expect', options: () => 'Name expect\nKey_Exists log\nKey_Val_Is_Not_Null level' },
  { name: 'expect-result', options: () => 'Name expect\nKey_Val_Eq level info\nAction result_key' },
  { name: 'stdout', options: () => 'Name stdout' },
  {
    name: 'log_to_metrics',
    options: () => 'Name log_to_metrics\nMetric_Mode counter\nMetric_Name hits\nLabel_Field level',
  },
  {
    name: 'log_to_metrics-hist',
    options: () =>
      'Name log_to_metrics\nMetric_Mode histogram\nMetric_Name took\nValue_Field took\nLabel_Field level\nLabel_Field stream',
  },
  { name: 'checklist', options: (folder) => checklist(folder, 'listed.txt', 'exact'), record: withClient },
  { name: 'checklist-partial', options: (folder) => checklist(folder, 'parts.txt', 'partial') },
  { name: 'sysinfo', options: () => 'Name sysinfo\nHostname_key host\nKernel_version_key kernel' },
  {
    name: 'aws',
    options: () => 'Name aws\nEc2_instance_type on',
    given: { az: 'eu-central-1a', ec2_instance_id: 'i-0123456789abcdef0', ec2_instance_type: 'm7g.large' },
  },
  {
    name: 'ecs',
    options: () => 'Name ecs\nAdd cluster $ClusterName\nAdd task $TaskDefinitionFamily',
    given: { cluster: 'shop', task: 'web' },
  },
  { name: 'geoip2', options: geoip2, record: withClient },
  { name: 'kubernetes', options: () => 'Name kubernetes', record: logOnly, given: POD },
  {
    name: 'kubernetes-merge',
    options: () => 'Name kubernetes\nMerge_Log on\nKeep_Log off',
    record: (i) => ({ ...logOnly(i), log: jsonLine(i) }),
    given: POD,
  },
  { name: 'multiline', options: () => 'Name multiline\nMultiline.Parser java' },
  { name: 'content_modifier', options: () => 'Name content_modifier\nAction upsert\nKey env\nValue prod' },
  { name: 'content_modifier-hash', options: () => 'Name content_modifier\nAction hash\nKey thread' },
  {
    name: 'record_transformer',
    // The text as it is in a configuration of fluentd.
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a placeholder of the filter
    options: () => 'Name record_transformer\nRecord host web1\nRecord source ${record["stream"]}.${tag}',
  },
  { name: 'lua-keep', options: lua('return 0, 0, 0') },
  { name: 'lua-set', options: lua(LUA_SET) },
  { name: 'lua-gsub', options: lua(LUA_GSUB) },
  { name: 'lua-set-line', options: lua(LUA_SET), record: logOnly },
  { name: 'lua-gsub-line', options: lua(LUA_GSUB), record: logOnly },
  { name: 'script-keep', options: script('keep') },
  { name: 'script-set', options: script('set') },
  { name: 'redact', options: () => 'Name redact' },
  { name: 'redact-lines', options: () => 'Name redact', record: (i) => ({ log: LINES[i % LINES.length] }) },
  {
    name: 'redact-hits',
    options: () => 'Name redact',
    // Every hundredth record has an address.
    record: (i) => (i % 100 === 0 ? { ...typical(i), user: 'joe@example.com' } : typical(i)),
  },
  { name: 'redact-pattern', options: () => 'Name redact\nKind none\nPattern order \\bORD-\\d{8}\\b' },
]

/** Returns a line of 200 bytes and seven more keys. */
export function typical(i: number): Record<string, unknown> {
  return {
    time: `2026-11-21T06:00:${second(i)}.123456789Z`,
    level: i % 5 === 0 ? 'warn' : 'info',
    log: `${i} ${WORDS.repeat(3)}`.slice(0, 200),
    stream: i % 4 === 0 ? 'stderr' : 'stdout',
    thread: 'http-nio-8080-exec-7',
    kubernetes: {
      pod_name: `web-5d4f7c9b8-x2x${i % 10}`,
      namespace_name: 'shop',
      container_name: 'web',
      host: 'node-7',
      pod_id: '0c8f7bd5-5b0e-4b0a-9c9a-4f0d3f6d8a11',
    },
    status: 200 + (i % 7),
    took: i / 7,
  }
}

/** Returns a record as the input tail makes it of a line of a container. */
function logOnly(i: number): Record<string, unknown> {
  const { log, stream } = typical(i)
  return { log, stream }
}

function withLog(line: (i: number) => string): (i: number) => object {
  return (i) => ({ ...typical(i), log: line(i) })
}

function withClient(i: number): object {
  return { ...typical(i), client: `10.1.${i % 8}.${i % 250}` }
}

/** The second differs from that of the line before, as in a log with little traffic. */
function nginxLine(i: number): string {
  const request = `"GET /api/v1/items?id=${i}&lang=en HTTP/1.1" 200 ${i * 7}`
  const agent = 'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0'
  return `10.0.${i % 256}.7 - - [21/Nov/2026:06:00:${second(i)} +0000] ${request} "https://shop.example.com/start?from=mail" "${agent}"`
}

function jsonLine(i: number): string {
  return JSON.stringify({
    ts: `2026-11-21T06:00:${second(i)}.${100_000_000 + i}Z`,
    msg: WORDS.slice(0, 70),
    code: 200 + (i % 5),
    elapsed: i / 8,
    http: { path: `/a/${i}`, ok: true, tags: ['a', 'b', i] },
    user: null,
  })
}

function second(i: number): string {
  return String(i % 60).padStart(2, '0')
}

/** Half of the values are listed. */
function checklist(folder: string, file: string, mode: string): string {
  const key = mode === 'exact' ? 'client' : 'log'
  return `Name checklist\nFile ${folder}/${file}\nMode ${mode}\nLookup_key ${key}\nRecord listed true`
}

function geoip2(folder: string): string {
  const records = 'Record city client %{city.names.en}\nRecord lat client %{location.latitude}'
  return `Name geoip2\nDatabase ${folder}/city.mmdb\nLookup_key client\n${records}`
}

/** Writes the files that filters read at their start. */
export function writeFiles(folder: string): void {
  const listed = Array.from({ length: LISTED }, (_, i) => `10.1.${(i % 4) * 2}.${i % 250}`)
  writeFileSync(`${folder}/listed.txt`, listed.join('\n'))
  writeFileSync(`${folder}/parts.txt`, Array.from({ length: LISTED }, (_, i) => `%item-${i}`).join('\n'))
  const networks = Array.from({ length: 8 }, (_, i) => ({
    address: [10, 1, i, 0],
    prefix: 24,
    value: {
      city: { names: { en: `City ${i}` } },
      location: { latitude: double(50 + i), accuracy_radius: uint16(20) },
    },
  }))
  writeFileSync(`${folder}/city.mmdb`, writeMmdb(networks))
}
