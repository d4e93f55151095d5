import { Flags, type StageKind } from '../config/flags.ts'

/** What the arguments ask for. */
export interface Request {
  flags: Flags
  config: string | undefined
  parsersFiles: string[]
  workdir: string | undefined
  dryRun: boolean
  /** Of `-v` (once or twice) and `-q`. */
  logLevel: 'debug' | 'trace' | 'off' | undefined
  version: boolean
  /** Of the manifests. */
  image: string | undefined
  namespace: string | undefined
  /** `-h` came, behind this plugin or before any. */
  help: { plugin: { kind: StageKind; plugin: string } | undefined } | undefined
}

/** `value` is empty for a flag without one; `flag` as in `-f`. */
export type Take = (request: Request, value: string, flag: string) => void

export function newRequest(): Request {
  return {
    flags: new Flags(),
    config: undefined,
    parsersFiles: [],
    workdir: undefined,
    dryRun: false,
    logLevel: undefined,
    version: false,
    image: undefined,
    namespace: undefined,
    help: undefined,
  }
}

/** The flags of fluent-bit, each with what it does; they are taken from left to right. */
export const OPTIONS: readonly (readonly [flags: string, help: string, take: Take])[] = [
  ['-c, --config <FILE>', 'configuration file', set('config')],
  ['-i, --input <NAME>', 'add an input; NAME may be an address like health://127.0.0.1:8080', begin('input')],
  ['-F, --filter <NAME>', 'add a filter', begin('filter')],
  ['-o, --output <NAME>', 'add an output; NAME may be an address like forward://host:24224', begin('output')],
  ['-p, --prop <KEY=VALUE>', 'option of the latest -i, -F or -o', (r, v) => r.flags.property(v)],
  ['-t, --tag <TAG>', 'tag of the latest -i', (r, v) => r.flags.tag(v)],
  ['-m, --match <PATTERN>', 'tags of the latest -F or -o; without it, all', (r, v) => r.flags.match(v)],
  ['-R, --parser <FILE>', 'file with parsers; may be repeated', (r, v) => void r.parsersFiles.push(v)],
  ['-f, --flush <SECONDS>', 'most time that a record waits, decimals allowed', service('flush')],
  ['-l, --log_file <FILE>', 'write the own log to FILE', service('log_file')],
  ['-v, --verbose', 'log also each file that is followed and each chunk that is delivered', verbose],
  ['-q, --quiet', 'log nothing', set('logLevel', 'off')],
  ['-w, --workdir <DIR>', 'folder that paths of the configuration are relative to', set('workdir')],
  ['-H, --http', 'answer HTTP: metrics, health, files', service('http_server', 'on')],
  ['-L, --http_listen <ADDRESS>', 'address of the HTTP server', service('http_listen')],
  ['-P, --http_port <PORT>', 'port of the HTTP server', service('http_port')],
  ['--image <IMAGE>', 'of `manifest`: the image of the DaemonSet', set('image')],
  ['--namespace <NAME>', 'of `manifest`: the namespace, default shipper', set('namespace')],
  ['-D, --dry-run', 'check the configuration and end', set('dryRun', true)],
  ['-V, --version', 'print the version and end', set('version', true)],
  ['-h, --help', 'print this; behind -i, -F or -o: the options of that plugin', help],
]

/** Accepted so that command lines of fluent-bit run; the table of [SERVICE] says why they have no effect. */
export const WITHOUT_EFFECT: readonly (readonly [flags: string, take: Take])[] = [
  ['-b, --storage_path <DIR>', service('storage.path')],
  ['-d, --daemon', service('daemon', 'on')],
  ['-e, --plugin <FILE>', service('plugins_file')],
  ['-s, --coro_stack_size <SIZE>', service('coro_stack_size')],
  ['--supervisor', service('daemon', 'on')],
  ['-Y, --enable-hot-reload', service('hot_reload', 'on')],
  ['-W, --disable-thread-safety-on-hot-reload', service('hot_reload.ensure_thread_safety', 'off')],
  ['-Z, --enable-chunk-trace', service('enable_chunk_trace', 'on')],
]

/** Flags of fluent-bit that ask for what is not there: to go on without it would not be what was meant. */
export const REFUSED: readonly (readonly [flags: string, why: string])[] = [
  ['-C, --custom <NAME>', 'there are no custom plugins'],
  ['-T, --sp-task <SQL>', 'there is no stream processor'],
  ['-S, --sosreport', '`kill -USR1 PID` prints the state of a running agent'],
  ['-J, --help-json', 'docs/plugins has the options of every plugin'],
  ['--enable-fips', 'there is no FIPS mode'],
  ['--trace <SETTINGS>', '-v names each chunk that is delivered'],
  ['--trace-input <NAME>', '-v names each chunk that is delivered'],
  ['--trace-output <NAME>', '-v names each chunk that is delivered'],
  ['--trace-output-property <KEY=VALUE>', '-v names each chunk that is delivered'],
]

function begin(kind: StageKind): Take {
  return (request, plugin) => request.flags.begin(kind, plugin)
}

function service(key: string, fixed?: string): Take {
  return (request, value, flag) => request.flags.service(key, fixed ?? value, flag)
}

function set<K extends keyof Request>(key: K, fixed?: Request[K]): Take {
  return (request, value) => {
    request[key] = fixed ?? (value as Request[K])
  }
}

function verbose(request: Request): void {
  request.logLevel = request.logLevel === 'debug' ? 'trace' : 'debug'
}

function help(request: Request): void {
  request.help ??= { plugin: request.flags.current }
}
