/**
 * Every error a user can meet has a code from this table: what it means and what to do. The table is the one
 * source of docs/errors.md and of the exit status.
 */
export const ERROR_CODES = {
  E_CLI_USAGE: { exit: 2, summary: 'the command line cannot be understood', remedy: 'see `shipper --help`' },
  E_CONFIG_SYNTAX: {
    exit: 1,
    summary: 'a configuration file has a syntax error',
    remedy: 'mend the line that is named',
  },
  E_CONFIG_UNREADABLE: {
    exit: 1,
    summary: 'a configuration file cannot be read',
    remedy: 'check the path and its permissions',
  },
  E_CONFIG_UNKNOWN_SECTION: {
    exit: 1,
    summary: 'a section name is not known',
    remedy: 'use the suggested name',
  },
  E_CONFIG_UNKNOWN_PLUGIN: {
    exit: 1,
    summary: 'a plugin name is not known',
    remedy: '`shipper plugins` lists them',
  },
  E_CONFIG_UNKNOWN_OPTION: {
    exit: 1,
    summary: 'an option is not known to its plugin',
    remedy: '`shipper -i NAME -h` lists the options',
  },
  E_CONFIG_BAD_VALUE: {
    exit: 1,
    summary: 'an option has a value it cannot take',
    remedy: 'see the option in docs/plugins',
  },
  E_CONFIG_MISSING_OPTION: { exit: 1, summary: 'a required option is missing', remedy: 'add the option' },
  E_CONFIG_NO_INPUT: { exit: 1, summary: 'there is no input', remedy: 'add an [INPUT] section or -i NAME' },
  E_CONFIG_NO_OUTPUT: {
    exit: 1,
    summary: 'there is no output',
    remedy: 'add an [OUTPUT] section or -o NAME',
  },
  E_PARSER_REGEX: {
    exit: 1,
    summary: 'a regular expression cannot be compiled',
    remedy: 'see docs/plugins/parser-regex.md for what is supported',
  },
  E_STORE_LOCKED: {
    exit: 1,
    summary: 'the offset database is in use by another agent',
    remedy: 'stop the other agent or give this one its own DB',
  },
  E_STORE_BUSY: {
    exit: 1,
    summary: 'the offset database is locked by another process',
    remedy: 'close the program that holds it',
  },
  E_STORE_READONLY: {
    exit: 1,
    summary: 'the offset database cannot be written',
    remedy: 'make the file and its folder writable for this user',
  },
  E_STORE_CORRUPT: {
    exit: 1,
    summary: 'the offset database is damaged',
    remedy: 'see docs/DELIVERY.md, "When the database is damaged"',
  },
  E_STORE_FULL: {
    exit: 1,
    summary: 'the disk of the offset database is full',
    remedy: 'free space; positions are kept in memory until then',
  },
  E_STORE_UNREADABLE: {
    exit: 1,
    summary: 'the offset database cannot be opened',
    remedy: 'check the path and its permissions',
  },
  E_TAIL_UNREADABLE: {
    exit: 1,
    summary: 'a file matched by Path cannot be read',
    remedy: 'run as a user who may read it, or exclude it with Exclude_Path',
  },
  E_STDIN: {
    exit: 1,
    summary: 'the standard input cannot be read',
    remedy: 'lead a pipe or a file into it',
  },
  E_JOURNAL_MISSING: {
    exit: 1,
    summary: 'journalctl cannot be started',
    remedy: 'install systemd, which journalctl comes with, or have it on the PATH of the agent',
  },
  E_JOURNAL_READ: {
    exit: 1,
    summary: 'the journal cannot be read',
    remedy: 'see what journalctl said; run as root or as a member of the group systemd-journal',
  },
  E_JOURNAL_CURSOR: {
    exit: 1,
    summary: 'the entry of the stored position is not in the journal any more',
    remedy: 'let the journal keep more (SystemMaxUse in journald.conf), or mend the output that is behind',
  },
  E_LOG_FILE: {
    exit: 1,
    summary: 'the file for the agent’s own log cannot be opened',
    remedy: 'check the path of Log_File and its permissions',
  },
  E_TAIL_ABANDONED: {
    exit: 1,
    summary: 'bytes of a rotated or deleted file were given up unread',
    remedy: 'raise Hold_Limit or Hold_Time, or mend the output that is behind',
  },
  E_LISTEN: { exit: 1, summary: 'a port cannot be listened on', remedy: 'free the port or choose another' },
  E_PEER_UNREACHABLE: {
    exit: 1,
    summary: 'the peer cannot be reached',
    remedy: 'check host, port and network; delivery goes on by itself when it is back',
  },
  E_PEER_CLOSED: { exit: 1, summary: 'the peer closed the connection', remedy: 'see the peer’s own log' },
  E_PEER_PROTOCOL: {
    exit: 1,
    summary: 'the peer sent something that is not the protocol',
    remedy: 'check that the peer speaks the forward protocol',
  },
  E_PEER_TIMEOUT: {
    exit: 1,
    summary: 'the peer did not answer in time',
    remedy: 'see the peer’s own log, or raise the timeout',
  },
  E_PEER_AUTH: {
    exit: 1,
    summary: 'the peer does not accept who we are',
    remedy: 'check name, password and certificates; they are tried again, ever more slowly',
  },
  E_KAFKA_TOPIC: {
    exit: 1,
    summary: 'a topic does not exist or may not be written',
    remedy: 'create the topic or grant Write on it; its records wait until then',
  },
  E_KAFKA_BROKER: {
    exit: 1,
    summary: 'a Kafka broker could not take a batch',
    remedy: 'see the error that is named in the broker’s own log; the batch is sent again',
  },
  E_OUTPUT_WRITE: {
    exit: 1,
    summary: 'an output cannot write',
    remedy: 'check the path, its permissions and free space',
  },
  E_OUTPUT_REJECTED: {
    exit: 1,
    summary: 'the peer refused a chunk for good',
    remedy: 'see the reason given',
  },
  E_KUBE_API: {
    exit: 1,
    summary: 'the Kubernetes API cannot be asked',
    remedy:
      'check Kube_URL and the network; records go on with what is known, and it is asked again by itself',
  },
  E_KUBE_FORBIDDEN: {
    exit: 1,
    summary: 'the Kubernetes API refuses the agent',
    remedy:
      'give its service account get, list and watch on pods (and get on namespaces): those that `shipper manifest` prints',
  },
  E_KUBE_TOKEN: {
    exit: 1,
    summary: 'the token for the Kubernetes API cannot be read',
    remedy: 'check Kube_Token_File or Kube_Token_Command',
  },
  E_RUN_INCOMPLETE: {
    exit: 1,
    summary: 'the run ended before everything was acknowledged',
    remedy: 'start again: it goes on from the last acknowledged byte',
  },
  E_INTERNAL: { exit: 1, summary: 'a defect in shipper', remedy: 'report it with the message' },
} as const

export type ErrorCode = keyof typeof ERROR_CODES

/** Where a configuration value stands: `line` and `col` count from 1; a flag has the argument instead, e.g. `-p port`. */
export interface SourceLocation {
  file: string
  line?: number
  col?: number
  argument?: string
}

export interface ErrorOptions {
  hint?: string
  /** true when the same call may succeed later. */
  retryable?: boolean
  /** `peer`: the whole peer is away, so others would fail too; `chunk`: only this chunk is concerned. */
  scope?: 'peer' | 'chunk'
  location?: SourceLocation
  /** Name of the option that is wrong, of the plugin that throws it: its place is looked up. */
  option?: string
  details?: Record<string, unknown>
  cause?: unknown
}

export class ShipperError extends Error {
  readonly code: ErrorCode
  readonly hint: string
  readonly retryable: boolean
  readonly scope: 'peer' | 'chunk'
  readonly location: SourceLocation | undefined
  readonly option: string | undefined
  readonly details: Record<string, unknown>

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ShipperError'
    this.code = code
    this.hint = options.hint ?? ERROR_CODES[code].remedy
    this.retryable = options.retryable ?? false
    this.scope = options.scope ?? 'chunk'
    this.location = options.location
    this.option = options.option
    this.details = options.details ?? {}
  }
}

export function formatLocation(p: SourceLocation | undefined): string {
  if (p === undefined) return ''
  if (p.argument !== undefined) return `${p.file}, ${p.argument}`
  const line = p.line === undefined ? '' : `:${p.line}`
  return p.col === undefined ? `${p.file}${line}` : `${p.file}${line}:${p.col}`
}

/** The message of anything thrown, without its stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

const CALL = /, \w+(?: '.*')?$/s

/** As `messageOf`, of a system error without its call and path, which the words around it name already. */
export function reasonOf(error: unknown): string {
  return systemCode(error) === undefined ? messageOf(error) : messageOf(error).replace(CALL, '')
}

/** `ENOENT`, `ECONNREFUSED`, ... of a system error, or undefined. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}

export function exitStatusOf(error: unknown): number {
  return error instanceof ShipperError ? ERROR_CODES[error.code].exit : 1
}
