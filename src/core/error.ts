/**
 * Codes of all errors that a user can see, each with its meaning, the remedy and the exit status.
 * docs/errors.md is generated from this table.
 */
export const ERROR_CODES = {
  E_CLI_USAGE: { exit: 2, summary: 'the command line is not valid', remedy: 'see `shipper --help`' },
  E_CONFIG_SYNTAX: {
    exit: 1,
    summary: 'a configuration file has a syntax error',
    remedy: 'fix the line named in the message',
  },
  E_CONFIG_UNREADABLE: {
    exit: 1,
    summary: 'a configuration file cannot be read',
    remedy: 'check the path and its permissions',
  },
  E_CONFIG_UNKNOWN_SECTION: {
    exit: 1,
    summary: 'unknown section name',
    remedy: 'use the suggested name',
  },
  E_CONFIG_UNKNOWN_PLUGIN: {
    exit: 1,
    summary: 'unknown plugin name',
    remedy: '`shipper plugins` lists them',
  },
  E_CONFIG_UNKNOWN_OPTION: {
    exit: 1,
    summary: 'unknown option',
    remedy: '`shipper -i NAME -h` lists the options',
  },
  E_CONFIG_BAD_VALUE: {
    exit: 1,
    summary: 'an option has an invalid value',
    remedy: 'see the option in docs/plugins',
  },
  E_CONFIG_MISSING_OPTION: { exit: 1, summary: 'a required option is missing', remedy: 'add the option' },
  E_CONFIG_NO_INPUT: { exit: 1, summary: 'there is no input', remedy: 'add -i NAME, or name a file with -c' },
  E_CONFIG_NO_OUTPUT: {
    exit: 1,
    summary: 'there is no output',
    remedy: 'add -o NAME, or name a file with -c',
  },
  E_PARSER_REGEX: {
    exit: 1,
    summary: 'a regular expression cannot be compiled',
    remedy: 'see docs/plugins/parser-regex.md for what is supported',
  },
  E_SCRIPT: {
    exit: 1,
    summary: 'a script cannot be loaded, or its function failed on a record',
    remedy:
      'fix the place in the script that the message names; the page of the filter says what its function may return',
  },
  E_STORE_LOCKED: {
    exit: 1,
    summary: 'the offset database is in use by another agent',
    remedy: 'stop the other agent or give this one its own DB',
  },
  E_STORE_BUSY: {
    exit: 1,
    summary: 'the offset database is locked by another process',
    remedy: 'close the program that has it open',
  },
  E_STORE_READONLY: {
    exit: 1,
    summary: 'the offset database cannot be written',
    remedy:
      'make the file and its directory writable for this user; in Kubernetes /var/log is mounted read-only, and /var/lib/shipper is for databases',
  },
  E_STORE_CORRUPT: {
    exit: 1,
    summary: 'the offset database is damaged',
    remedy: 'see docs/DELIVERY.md, "When the database is damaged"',
  },
  E_STORE_FULL: {
    exit: 1,
    summary: 'the disk of the offset database is full',
    remedy: 'free space; an agent that runs keeps positions in memory until then',
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
    summary: 'standard input cannot be read',
    remedy: 'redirect a pipe or file to stdin',
  },
  E_JOURNAL_MISSING: {
    exit: 1,
    summary: 'journalctl cannot be started',
    remedy: 'install systemd, which includes journalctl, or add its directory to the agent’s PATH',
  },
  E_JOURNAL_READ: {
    exit: 1,
    summary: 'the journal cannot be read',
    remedy: 'see the message from journalctl; run as root or as a member of the group systemd-journal',
  },
  E_JOURNAL_CURSOR: {
    exit: 1,
    summary: 'the entry at the stored position is no longer in the journal',
    remedy: 'let the journal keep more (SystemMaxUse in journald.conf), or fix the output that lags behind',
  },
  E_KMSG: {
    exit: 1,
    summary: 'the messages of the kernel cannot be read',
    remedy:
      'give the agent CAP_SYSLOG and /dev/kmsg, see docs/plugins/input-kmsg.md; the input systemd reads them from the journal',
  },
  E_LOG_FILE: {
    exit: 1,
    summary: 'the file for the agent’s own log cannot be opened',
    remedy: 'check the path of Log_File and its permissions',
  },
  E_TAIL_ABANDONED: {
    exit: 1,
    summary: 'unread bytes of a rotated or deleted file were abandoned',
    remedy: 'raise Hold_Limit or Hold_Time, or fix the output that lags behind',
  },
  E_TAIL_GZIP: {
    exit: 1,
    summary: 'a .gz is corrupt or incomplete, and has not changed for a while',
    remedy: 'test it with `gzip -t` and copy it again; reading continues when it changes',
  },
  E_TAIL_TRUNCATED: {
    exit: 1,
    summary: 'bytes of a file were truncated before they were read',
    remedy: 'rotate by renaming (create) instead of copytruncate, or fix the output that lags behind',
  },
  E_LISTEN: {
    exit: 1,
    summary: 'cannot listen on a port or socket',
    remedy: 'see the reason in the message, and choose another port or path if need be',
  },
  E_PEER_UNREACHABLE: {
    exit: 1,
    summary: 'the peer cannot be reached',
    remedy: 'check host, port and network; delivery resumes by itself when the peer is back',
  },
  E_PEER_NAME: {
    exit: 1,
    summary: 'the host name of the peer cannot be resolved',
    remedy:
      'check the name and the name server (/etc/resolv.conf); delivery resumes by itself when it resolves',
  },
  E_PEER_CLOSED: { exit: 1, summary: 'the peer closed the connection', remedy: 'see the peer’s log' },
  E_PEER_PROTOCOL: {
    exit: 1,
    summary: 'the peer sent data that does not follow the protocol',
    remedy: 'check that the peer is one that this output or filter can talk to, and not behind another port',
  },
  E_PEER_TIMEOUT: {
    exit: 1,
    summary: 'the peer did not answer in time',
    remedy: 'see the peer’s log, or raise the timeout',
  },
  E_PEER_AUTH: {
    exit: 1,
    summary: 'authentication failed',
    remedy: 'check name, password and certificates; login is retried at growing intervals',
  },
  E_AWS_CREDENTIALS: {
    exit: 1,
    summary: 'there are no credentials for AWS',
    remedy:
      'set up one of the places that the message names; records wait, and delivery resumes by itself once there are credentials',
  },
  E_HTTP_ANSWER: {
    exit: 1,
    summary: 'a server did not take a request',
    remedy: 'see the reason in the message and the server’s log; the records wait and are sent again',
  },
  E_KAFKA_TOPIC: {
    exit: 1,
    summary: 'a topic does not exist or cannot be written',
    remedy:
      'create the topic or grant Write on it; its records wait until then, those of a topic that a tag or a record has chosen for Dead_Letter_After',
  },
  E_KAFKA_BROKER: {
    exit: 1,
    summary: 'a Kafka broker could not accept a batch',
    remedy: 'look up the named error in the broker’s log; the batch is sent again',
  },
  E_OUTPUT_WRITE: {
    exit: 1,
    summary: 'an output cannot write',
    remedy: 'check the path, its permissions and free space',
  },
  E_OUTPUT_REJECTED: {
    exit: 1,
    summary: 'the peer rejected records permanently',
    remedy: 'see the reason in the message; `shipper dead-letters` shows the records and sends them again',
  },
  E_DEAD_LETTERS: {
    exit: 1,
    summary: 'rejected records cannot be kept in the dead-letter file, so they wait',
    remedy: 'make space with `shipper dead-letters replay`, raise Dead_Letter_Limit, or set Dead_Letter_File',
  },
  E_BUFFER: {
    exit: 1,
    summary: 'the buffer on disk cannot be read or written; inputs with storage.type filesystem wait',
    remedy: 'make storage.path a folder that this user may write, with free space; see docs/guides/buffer.md',
  },
  E_BUFFER_LOCKED: {
    exit: 1,
    summary: 'another agent uses the buffer on disk',
    remedy: 'give each agent a storage.path of its own, or stop the other one',
  },
  E_RUN_ENDED: {
    exit: 255,
    summary: 'a filter has ended the run, as its options say',
    remedy: 'see the reason in the message',
  },
  E_FILTER_FAILED: {
    exit: 1,
    summary: 'a filter failed on records',
    remedy: 'see the reason in the message; On_Error of the filter says what becomes of such records',
  },
  E_KUBE_API: {
    exit: 1,
    summary: 'a request to the Kubernetes API failed',
    remedy: 'check Kube_URL and the network; requests are retried automatically',
  },
  E_KUBE_FORBIDDEN: {
    exit: 1,
    summary: 'the Kubernetes API denied access',
    remedy: 'grant its service account the rights that the page of the plugin names',
  },
  E_KUBE_TOKEN: {
    exit: 1,
    summary: 'the token for the Kubernetes API cannot be read',
    remedy: 'check Kube_Token_File, or Kube_Token_Command of filter kubernetes',
  },
  E_RUN_INCOMPLETE: {
    exit: 1,
    summary: 'the run ended before everything was acknowledged',
    remedy: 'start the agent again: inputs with a DB continue after the last acknowledged byte',
  },
  E_INTERNAL: {
    exit: 70,
    summary: 'a defect in shipper',
    remedy: 'report it with the message and the stack',
  },
} as const

export type ErrorCode = keyof typeof ERROR_CODES

/**
 * Location of a configuration value. `line` and `col` count from 1; a value from the command line has
 * `argument` instead, e.g. `-p port`.
 */
export interface SourceLocation {
  file: string
  line?: number
  col?: number
  argument?: string
}

/**
 * What a failed flush says about other chunks.
 *
 * - `peer`: the peer is unreachable, so other chunks would fail too
 * - `chunk`: only this chunk is affected (default)
 * - `destination`: the destination that the tag has chosen is refused, others may work. It is tried for
 *   Dead_Letter_After, and then the chunk goes to the dead letters
 * - `records`: the same for destinations that records have chosen. The output itself rejects these records,
 *   once `OutputContext.isOverdue`
 *
 * A destination that the configuration names has the scope `peer` or `chunk`, and is tried forever.
 */
export type ErrorScope = 'peer' | 'chunk' | 'destination' | 'records'

export interface ErrorOptions {
  /** Advice on what to do; default: the remedy of the code. */
  hint?: string
  /** True when the same call may succeed later. Default: false. */
  retryable?: boolean
  scope?: ErrorScope
  /** True when a part of the chunk was delivered in the attempt: its waits begin anew, and it counts as the first failed one. */
  hasProgress?: boolean
  location?: SourceLocation
  /**
   * Name of the invalid option of the plugin that throws the error; the location of its value is then looked
   * up. Of an option that may be repeated: name, blank and value.
   */
  option?: string
  details?: Record<string, unknown>
  /** Name of the instance in whose name the error is logged when it ends the agent. */
  stage?: string
  cause?: unknown
}

export class ShipperError extends Error {
  readonly code: ErrorCode
  readonly hint: string
  readonly retryable: boolean
  readonly scope: ErrorScope
  readonly hasProgress: boolean
  readonly location: SourceLocation | undefined
  readonly option: string | undefined
  readonly details: Record<string, unknown>
  readonly stage: string | undefined

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ShipperError'
    this.code = code
    this.hint = options.hint ?? ERROR_CODES[code].remedy
    this.retryable = options.retryable ?? false
    this.scope = options.scope ?? 'chunk'
    this.hasProgress = options.hasProgress ?? false
    this.location = options.location
    this.option = options.option
    this.details = options.details ?? {}
    this.stage = options.stage
  }
}

/** Returns `file:line:col` as far as it is known, or `file, argument`. */
export function formatLocation(p: SourceLocation | undefined): string {
  if (p === undefined) return ''
  if (p.argument !== undefined) return `${p.file}, ${p.argument}`
  const line = p.line === undefined ? '' : `:${p.line}`
  return p.col === undefined ? `${p.file}${line}` : `${p.file}${line}:${p.col}`
}

/** Returns the message of a thrown value, without the stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** `, open '/path'` at the end of a system error's message. */
const SYSTEM_CALL = /, \w+(?: '.*')?$/s

/**
 * Returns the message of a thrown value; a system error loses its call and path, which the text around it
 * names.
 */
export function reasonOf(error: unknown): string {
  return systemCode(error) === undefined ? messageOf(error) : messageOf(error).replace(SYSTEM_CALL, '')
}

/** Returns the code of a system error (`ENOENT`, `ECONNREFUSED`, ...), or undefined. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : undefined
}

/** Returns the exit status of the process after this error; one without a code is a defect. */
export function exitStatusOf(error: unknown): number {
  return ERROR_CODES[error instanceof ShipperError ? error.code : 'E_INTERNAL'].exit
}
