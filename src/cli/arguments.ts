import { Flags, type StageKind } from '../config/flags.ts'
import { CONFIG_FORMATS, type ConfigFormat } from '../config/format.ts'
import { ShipperError } from '../core/error.ts'

/** The parsed command line. */
export interface Request {
  flags: Flags
  config: string | undefined
  configFormat: ConfigFormat | undefined
  parsersFiles: string[]
  workdir: string | undefined
  dryRun: boolean
  /** Level set by `-v` (once or twice) or `-q`. */
  logLevel: 'debug' | 'trace' | 'off' | undefined
  version: boolean
  /** Options of the command `manifest`. */
  image: string | undefined
  namespace: string | undefined
  awsRole: string | undefined
  /** Option of the command `status`: base of the agent's HTTP server. */
  url: string | undefined
  /** Option of the commands `dead-letters show` and `try`. */
  limit: string | undefined
  /** A `--tag` that belongs to no input: for `try`; of any other command it is the error. */
  tag: { value: string; misplaced: unknown } | undefined
  /** Option of the command `buffer`. */
  check: boolean
  /** Option of the command `migrate`. */
  to: string | undefined
  /** Option of the command `try`. */
  json: boolean
  /** Set by `-h`: the plugin before it, or undefined for the general help. */
  help: { plugin: { kind: StageKind; plugin: string } | undefined } | undefined
}

/** Applies a flag to the request; `value` is empty for a flag without one, `flag` is its name such as `-f`. */
export type FlagHandler = (request: Request, value: string, flag: string) => void

export function newRequest(): Request {
  return {
    flags: new Flags(),
    config: undefined,
    configFormat: undefined,
    parsersFiles: [],
    workdir: undefined,
    dryRun: false,
    logLevel: undefined,
    version: false,
    image: undefined,
    namespace: undefined,
    awsRole: undefined,
    url: undefined,
    limit: undefined,
    check: false,
    tag: undefined,
    to: undefined,
    json: false,
    help: undefined,
  }
}

/** Supported flags with their help and handler; they are applied from left to right. */
export const FLAGS: readonly (readonly [flags: string, help: string, handler: FlagHandler])[] = [
  ['-c, --config <FILE>', 'configuration file', set('config')],
  [
    '--config-format <FORMAT>',
    'format of the configuration file: classic, yaml or fluentd (default: by its name and content)',
    configFormat,
  ],
  [
    '-i, --input <NAME>',
    'add an input; NAME may be an address such as health://127.0.0.1:8080',
    begin('input'),
  ],
  ['-F, --filter <NAME>', 'add a filter', begin('filter')],
  [
    '-o, --output <NAME>',
    'add an output; NAME may be an address such as forward://host:24224',
    begin('output'),
  ],
  [
    '-p, --prop <KEY=VALUE>',
    "set an option of the preceding -i, -F or -o; a secret may be @FILE or '${VARIABLE}', as others can list the arguments of a process",
    (r, v) => r.flags.property(v),
  ],
  ['-t, --tag <TAG>', 'set the tag of the preceding -i; for `try`: the tag of the sample', tag],
  [
    '-m, --match <PATTERN>',
    'set the tags that the preceding -F or -o receives (default: all)',
    (r, v) => r.flags.match(v),
  ],
  ['-R, --parser <FILE>', 'load parsers from FILE; may be repeated', (r, v) => void r.parsersFiles.push(v)],
  ['-f, --flush <SECONDS>', 'maximum time that a record is buffered, e.g. 0.5', service('flush')],
  ['-l, --log_file <FILE>', 'write the log of shipper to FILE', service('log_file')],
  ['-v, --verbose', 'also log every followed file and every delivered chunk', verbose],
  ['-q, --quiet', 'log nothing; only why a start or run fails goes to stderr', set('logLevel', 'off')],
  [
    '-w, --workdir <DIR>',
    'working directory, to which paths in the configuration are relative',
    set('workdir'),
  ],
  [
    '-b, --storage_path <DIR>',
    'folder for the records of inputs with storage.type filesystem',
    service('storage.path'),
  ],
  ['-H, --http', 'enable the HTTP server: metrics, health, files', service('http_server', 'on')],
  ['-L, --http_listen <ADDRESS>', 'listen address of the HTTP server', service('http_listen')],
  ['-P, --http_port <PORT>', 'port of the HTTP server', service('http_port')],
  ['--image <IMAGE>', 'image of the DaemonSet, for `manifest`', set('image')],
  ['--namespace <NAME>', 'namespace, for `manifest` (default: shipper)', set('namespace')],
  ['--aws-role <ARN>', 'IAM role of the service account, for `manifest`', set('awsRole')],
  ['--url <URL>', 'address of the agent, for `status` (default: http://127.0.0.1:2020)', set('url')],
  ['--limit <N>', 'maximum number of rows or lines, for `dead-letters show` and `try`', set('limit')],
  ['--check', 'verify the checksums of all records, for `buffer`', set('check', true)],
  ['--to <FORMAT>', 'format to write, for `migrate`: yaml or classic', set('to')],
  ['--json', 'each line of the sample is a JSON object that is the record, for `try`', set('json', true)],
  [
    '-D, --dry-run',
    'check the configuration, print the plan and exit; with -v also say how each regular expression is matched',
    set('dryRun', true),
  ],
  ['-V, --version', 'print the version and exit', set('version', true)],
  ['-h, --help', 'print this help; after -i, -F or -o: the options of that plugin', help],
]

/** Other names that fluent-bit has for flags of the list above. */
export const ALIAS_FLAGS: readonly (readonly [flags: string, handler: FlagHandler])[] = [
  ['--http_server', service('http_server', 'on')],
  ['--port <PORT>', service('http_port')],
]

/** Flags accepted so that fluent-bit command lines run; the table of [SERVICE] has the reason why each is ignored. */
export const IGNORED_FLAGS: readonly (readonly [flags: string, handler: FlagHandler])[] = [
  ['-d, --daemon', service('daemon', 'on')],
  ['-e, --plugin <FILE>', service('plugins_file')],
  ['-s, --coro_stack_size <SIZE>', service('coro_stack_size')],
  ['--supervisor', service('daemon', 'on')],
  ['-Y, --enable-hot-reload', service('hot_reload', 'on')],
  ['-W, --disable-thread-safety-on-hot-reload', service('hot_reload.ensure_thread_safety', 'off')],
  ['-X, --coro_collective_timeslice <SECONDS>', service('coro_collective_timeslice')],
  ['-Z, --enable-chunk-trace', service('enable_chunk_trace', 'on')],
]

/** Flags of fluent-bit for missing features, refused because ignoring them would not be what the user meant; with a hint. */
export const UNSUPPORTED_FLAGS: readonly (readonly [flags: string, hint: string])[] = [
  ['-C, --custom <NAME>', 'custom plugins are not supported'],
  ['-T, --sp-task <SQL>', 'there is no stream processor'],
  ['-r, --processor <NAME>', 'there are no processors: add a filter with -F'],
  ['-S, --sosreport', '`shipper status` prints the state of a running agent'],
  ['-M, --windows_maxstdio <N>', 'LimitNOFILE of the unit and `ulimit -n` set the number of open files'],
  ['-J, --help-json', 'see docs/plugins for the options of every plugin'],
  ['--enable-fips', 'there is no FIPS mode'],
  ['--trace <SETTINGS>', 'use -v to log every delivered chunk'],
  ['--trace-input <NAME>', 'use -v to log every delivered chunk'],
  ['--trace-output <NAME>', 'use -v to log every delivered chunk'],
  ['--trace-output-property <KEY=VALUE>', 'use -v to log every delivered chunk'],
]

/** A flag as it is written in the tables; without help it is not shown. */
interface Flag {
  text: string
  help?: string
  handler: FlagHandler
}

/** Returns the flags of all tables. */
export function allFlags(): Flag[] {
  return [
    ...FLAGS.map(([text, help, handler]) => ({ text, help, handler })),
    ...[...ALIAS_FLAGS, ...IGNORED_FLAGS].map(([text, handler]) => ({ text, handler })),
    ...UNSUPPORTED_FLAGS.map(([text, hint]) => ({ text, handler: refuse(hint) })),
  ]
}

/** Returns the handler of an unsupported flag. */
function refuse(hint: string): FlagHandler {
  return (_request, _value, flag) => {
    throw new ShipperError('E_CLI_USAGE', `${flag} of fluent-bit is not supported`, { hint })
  }
}

function begin(kind: StageKind): FlagHandler {
  return (request, plugin) => request.flags.begin(kind, plugin)
}

function service(key: string, fixed?: string): FlagHandler {
  return (request, value, flag) => request.flags.service(key, fixed ?? value, flag)
}

function set<K extends keyof Request>(key: K, fixed?: Request[K]): FlagHandler {
  return (request, value) => {
    request[key] = fixed ?? (value as Request[K])
  }
}

function verbose(request: Request): void {
  request.logLevel = request.logLevel === 'debug' ? 'trace' : 'debug'
}

function configFormat(request: Request, value: string, flag: string): void {
  const format = CONFIG_FORMATS.find((name) => name === value.toLowerCase())
  if (format === undefined) {
    const message = `${flag} must be ${CONFIG_FORMATS.join(', ')}, not "${value}"`
    throw new ShipperError('E_CLI_USAGE', message, { hint: '' })
  }
  request.configFormat = format
}

function tag(request: Request, value: string): void {
  try {
    request.flags.tag(value)
  } catch (misplaced) {
    request.tag = { value, misplaced }
  }
}

function help(request: Request): void {
  request.help ??= { plugin: request.flags.current }
}
