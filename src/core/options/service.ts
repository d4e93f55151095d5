import { checkHost } from './checks.ts'
import { defineOptions } from './option.ts'

/** Options of [SERVICE], which apply to the agent as a whole. */
export const SERVICE_OPTIONS = defineOptions({
  flush: {
    type: 'time',
    default: '1',
    min: 1,
    help: 'Maximum time that a record waits before it is sent, in seconds; decimals allowed.',
  },
  grace: {
    type: 'int',
    default: '5',
    min: -1,
    help: 'Seconds to wait for acks when the agent stops; -1: no limit. What is not acknowledged by then is read again at the next start by inputs with a DB.',
  },
  daemon: {
    type: 'bool',
    default: 'off',
    help: 'Run in the background.',
    ignored: 'run it under a service manager',
  },
  log_file: {
    type: 'string',
    help: 'File for the agent’s own log; default: stderr. It may also be a device (/dev/null, a terminal) or a pipe that has a reader (/dev/stdout in a container).',
  },
  log_level: {
    type: 'enum',
    values: ['off', 'error', 'warn', 'warning', 'info', 'debug', 'trace'],
    default: 'info',
    help: 'Level of the agent’s own log.',
  },
  log_format: {
    type: 'enum',
    values: ['text', 'json'],
    help: 'Format of the agent’s own log: text, or a JSON object in each line. Default: text on a terminal, json otherwise. Lines that systemd passes to the journal begin with their level (`<4>`), which journald takes off.',
  },
  parsers_file: {
    type: 'string',
    repeat: true,
    help: 'File with [PARSER] sections, relative to the configuration file.',
  },
  plugins_file: {
    type: 'string',
    repeat: true,
    help: 'File that lists plugins to load.',
    ignored: 'all plugins are built in',
  },
  streams_file: {
    type: 'string',
    repeat: true,
    help: 'File with stream tasks.',
    ignored: 'there is no stream processor',
  },
  memory_limit: {
    type: 'size',
    default: '16M',
    min: 1_000_000,
    help: 'Total size of the read buffers and of the chunks that wait or are in flight, over all inputs. At the limit inputs pause; nothing is dropped. The process itself needs more: see docs/guides/install.md.',
  },
  chunk_size: {
    type: 'size',
    default: '1M',
    min: 4096,
    max: 2_000_000,
    help: 'Size at which a chunk is sealed.',
  },
  http_server: { type: 'bool', default: 'off', help: 'Start the HTTP server.' },
  http_listen: {
    type: 'string',
    default: '127.0.0.1',
    check: checkHost,
    help: 'Address of the HTTP server; `::` is every address, of IPv4 too. fluent-bit’s default is 0.0.0.0.',
  },
  http_allowed_hosts: {
    type: 'clist',
    default: '',
    help: 'Further names by which clients may call the HTTP server, e.g. `*.example.com`; `*` allows all. Without it a request must name an address, a name of this machine, or a name that nobody can register (without a dot, or under .local, .internal or .svc). So a web page cannot read the answers through a name that it has resolve to this machine.',
  },
  http_port: { type: 'int', default: '2020', min: 0, max: 65535, help: 'Port of the HTTP server.' },
  health_check: {
    type: 'bool',
    default: 'off',
    help: 'Let /api/v1/health depend on errors and failed retries, besides outputs that are down.',
  },
  hc_output_down: {
    type: 'time',
    default: '60',
    min: 0,
    help: 'Time for which an output may be down until /api/v1/health answers with status 500; 0 allows any time. This does not need Health_Check.',
  },
  hc_errors_count: {
    type: 'int',
    default: '5',
    min: 0,
    help: 'Number of errors within Hc_Period above which the agent is unhealthy.',
  },
  hc_retry_failure_count: {
    type: 'int',
    default: '5',
    min: 0,
    help: 'Number of chunks dropped after their last retry within Hc_Period above which the agent is unhealthy.',
  },
  hc_period: { type: 'time', default: '60', min: 1000, help: 'Period that Health_Check evaluates.' },
  'scheduler.base': {
    type: 'time',
    default: '1',
    min: 1,
    help: 'Upper bound of the wait before the first retry of a chunk, or the first probe of an output that is unreachable; it doubles with each further one. Each wait is random between 0 and its bound. fluent-bit’s default is 5.',
  },
  'scheduler.cap': {
    type: 'time',
    min: 1,
    help: 'Upper bound of the wait before any retry or probe; default: 5, or Scheduler.Base if that is more. Delivery resumes within this time and a second of the return of a peer. fluent-bit’s default is 2000. When a host name cannot be resolved, the wait is between half of it and all of it.',
  },
  hot_reload: {
    type: 'bool',
    default: 'off',
    help: 'Allow reloading the configuration.',
    ignored: 'reloading is not supported; a restart loses no line',
  },
  'storage.path': {
    type: 'string',
    help: 'Folder for chunks on disk.',
    ignored: 'the file that is read is the buffer',
  },
  'storage.sync': {
    type: 'string',
    help: 'How chunks are synced.',
    ignored: 'the file that is read is the buffer',
  },
  'storage.checksum': {
    type: 'bool',
    default: 'off',
    help: 'Checksums of chunks on disk.',
    ignored: 'the file that is read is the buffer',
  },
  'storage.max_chunks_up': {
    type: 'int',
    help: 'Chunks mapped at once.',
    ignored: 'Memory_Limit is the limit',
  },
  'storage.backlog.mem_limit': {
    type: 'size',
    help: 'Memory for chunks found at start.',
    ignored: 'the file that is read is the buffer',
  },
  'storage.metrics': {
    type: 'bool',
    default: 'off',
    help: 'Enable /api/v1/storage.',
    ignored: 'there are no chunks on disk',
  },
  'storage.delete_irrecoverable_chunks': {
    type: 'bool',
    default: 'off',
    help: 'Delete damaged chunks.',
    ignored: 'there are no chunks on disk',
  },
  'dns.mode': {
    type: 'string',
    aliases: ['net.dns.mode'],
    help: 'Protocol of DNS requests: UDP or TCP.',
    ignored: 'the system resolves names',
  },
  'dns.resolver': {
    type: 'string',
    aliases: ['net.dns.resolver'],
    help: 'DNS resolver: LEGACY or ASYNC.',
    ignored: 'the system resolves names',
  },
  'dns.prefer_ipv4': {
    type: 'string',
    aliases: ['net.dns.prefer_ipv4'],
    help: 'Preferred addresses.',
    ignored: 'the system resolves names',
  },
  'dns.prefer_ipv6': {
    type: 'string',
    aliases: ['net.dns.prefer_ipv6'],
    help: 'Preferred addresses.',
    ignored: 'the system resolves names',
  },
  'json.escape_unicode': {
    type: 'string',
    help: 'JSON encoding.',
    ignored: 'JSON is written as UTF-8, NaN as null',
  },
  'json.convert_nan_to_null': {
    type: 'string',
    help: 'JSON encoding.',
    ignored: 'JSON is written as UTF-8, NaN as null',
  },
  regex_step_limit: {
    type: 'int',
    default: '100',
    min: 1,
    help: 'Maximum number of steps that a regular expression may take per byte of the text that it is matched against, besides 10,000 for any text. Of a longer text 16,000 bytes count, 64,000 when a WebAssembly module matches it, so that by default a search ends within 50 ms. A step is one instruction of the expression or a few bytes that one passes. This holds for every expression: of parsers, multiline rules, Regex and Exclude of grep, Match_Regex, Tag_Regex and Regex_Parser; an input, filter, output, [PARSER] or [MULTILINE_PARSER] may have a limit of its own. Beyond it nothing is lost: a line is kept unparsed, a record is kept, a rule does not match, a tag matches, a file gets `_` for each `<name>` in its tag; the counter `regex_step_limit` has what it was as its reason. Not in fluent-bit.',
  },
  multiline_buffer_limit: {
    type: 'size',
    default: '2M',
    min: 1024,
    help: 'Maximum size of a record joined from several lines; the rest becomes another record and is counted.',
  },
  'hot_reload.ensure_thread_safety': {
    type: 'string',
    help: 'Details of reloading.',
    ignored: 'reloading is not supported; a restart loses no line',
  },
  'hot_reload.timeout': {
    type: 'string',
    help: 'Details of reloading.',
    ignored: 'reloading is not supported; a restart loses no line',
  },
  'storage.inherit': {
    type: 'string',
    help: 'Details of chunks on disk.',
    ignored: 'the file that is read is the buffer',
  },
  'storage.type': {
    type: 'string',
    help: 'Details of chunks on disk.',
    ignored: 'the file that is read is the buffer',
  },
  'storage.trim_files': {
    type: 'string',
    help: 'Details of chunks on disk.',
    ignored: 'the file that is read is the buffer',
  },
  'storage.keep.rejected': {
    type: 'string',
    help: 'Details of chunks on disk.',
    ignored: 'the file that is read is the buffer',
  },
  'storage.rejected.path': {
    type: 'string',
    help: 'Details of chunks on disk.',
    ignored: 'the file that is read is the buffer',
  },
  'storage.rejected.limit': {
    type: 'string',
    help: 'Details of chunks on disk.',
    ignored: 'the file that is read is the buffer',
  },
  'storage.backlog.flush_on_shutdown': {
    type: 'string',
    help: 'Details of chunks on disk.',
    ignored: 'the file that is read is the buffer',
  },
  'storage.total_limit_size': {
    type: 'string',
    help: 'Details of chunks on disk.',
    ignored: 'the file that is read is the buffer',
  },
  enable_chunk_trace: {
    type: 'string',
    help: 'Whether chunks can be traced.',
    ignored: '-v names each chunk',
  },
  coro_collective_timeslice: {
    type: 'string',
    help: 'Time that coroutines may take together.',
    ignored: 'there are no coroutines',
  },
  coro_stack_size: { type: 'size', help: 'Stack size of a coroutine.', ignored: 'there are no coroutines' },
})
