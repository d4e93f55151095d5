import { ShipperError } from '../../core/error.ts'
import type { Logger } from '../../core/services.ts'
import type { AwsCall } from '../aws/call.ts'
import { type AwsError, describeAwsError } from '../aws/error-answer.ts'

/** Maximum number of streams that are remembered; the creation of others is repeated. */
const MAX_STREAMS = 10_000
/** Time between two lines in the log about streams that were created: a template may name thousands. */
const CREATED_LOG_MS = 60_000

interface LogStreamsOptions {
  readonly call: Pick<AwsCall, 'call'>
  readonly log: Logger
  readonly nowMs: () => number
  /** Name of the server in messages. */
  readonly peer: string
  readonly createsGroups: boolean
  readonly groupClass: string | undefined
  /** 0: that of the service. */
  readonly retentionDays: number
  /** Tags of created groups, by their names; undefined: none. */
  readonly groupTags?: Readonly<Record<string, string>> | undefined
}

interface StreamName {
  readonly group: string
  readonly stream: string
}

type Refusal = { readonly status: number; readonly error: AwsError }

const NOT_FOUND = 'ResourceNotFoundException'
const EXISTS = 'ResourceAlreadyExistsException'
/** Another client creates the same at this moment. */
const ABORTED = 'OperationAbortedException'

/**
 * Creates log streams, and log groups where that is allowed, before the first request to each, and again when one has been deleted:
 *
 * ```
 *   CreateLogStream -> created, or it exists
 *                   -> no such group -> CreateLogGroup -> PutRetentionPolicy -> CreateLogStream
 * ```
 * A failure to create a stream is ignored unless the stream is known to be missing: many roles may only write to existing streams,
 * and creations are limited to 50 per second and account. The request itself then reports what is wrong.
 */
export class LogStreams {
  readonly #options: LogStreamsOptions
  readonly #states = new Map<string, 'there' | 'missing' | Promise<void>>()
  readonly #groups = new Map<string, Promise<void>>()
  /** Groups that were created, whose retention could not be set yet. */
  readonly #withoutRetention = new Set<string>()
  /** When a creation was logged, and the number of those since then. */
  #loggedMs = Number.NEGATIVE_INFINITY
  #unlogged = 0

  constructor(options: LogStreamsOptions) {
    this.#options = options
  }

  /** Rejects with a retryable error when the stream is missing and cannot be created. */
  ensure(name: StreamName, signal: AbortSignal): Promise<void> {
    const key = keyOf(name)
    const state = this.#states.get(key)
    if (state === 'there') return DONE
    if (state instanceof Promise) return state
    const creation = this.#create(name, state === 'missing', signal).then(
      () => this.#set(key, 'there'),
      (error: unknown) => {
        if (state === undefined) this.#states.delete(key)
        else this.#set(key, state)
        throw error
      },
    )
    this.#set(key, creation)
    return creation
  }

  /** To be called when a request reports that its stream is missing. */
  missing(name: StreamName): void {
    this.#set(keyOf(name), 'missing')
  }

  #set(key: string, state: 'there' | 'missing' | Promise<void>): void {
    this.#states.delete(key)
    this.#states.set(key, state)
    if (this.#states.size <= MAX_STREAMS) return
    const [oldest = ''] = this.#states.keys()
    this.#states.delete(oldest)
  }

  async #create(name: StreamName, isMissing: boolean, signal: AbortSignal): Promise<void> {
    const { group, stream } = name
    const { call, createsGroups } = this.#options
    if (this.#withoutRetention.has(group)) await this.#setRetention(group, signal)
    for (let isAgain = false; ; isAgain = true) {
      const fields = { logGroupName: group, logStreamName: stream }
      const answer = await call.call('CreateLogStream', fields, signal)
      if (answer.isOk) {
        this.#noteCreated(`created log stream ${stream} in ${group}`)
        return
      }
      if (answer.error.name === EXISTS) return
      if (answer.error.name === NOT_FOUND) {
        if (isAgain || !createsGroups) throw this.#groupIsMissing(group, answer)
        await this.#ensureGroup(group, signal)
      } else if (isMissing) throw this.#failed(`cannot create log stream ${stream} in ${group}`, answer)
      else return
    }
  }

  #noteCreated(message: string): void {
    const { log, nowMs } = this.#options
    if (nowMs() - this.#loggedMs < CREATED_LOG_MS) {
      this.#unlogged++
      log.debug(message)
      return
    }
    log.info(
      this.#unlogged === 0 ? message : `${message}, and ${this.#unlogged} others since the last such line`,
    )
    this.#loggedMs = nowMs()
    this.#unlogged = 0
  }

  /** One creation of a group at a time. */
  #ensureGroup(group: string, signal: AbortSignal): Promise<void> {
    const known = this.#groups.get(group)
    if (known !== undefined) return known
    const creation = this.#createGroup(group, signal).finally(() => this.#groups.delete(group))
    this.#groups.set(group, creation)
    return creation
  }

  async #createGroup(group: string, signal: AbortSignal): Promise<void> {
    const { call, groupClass, groupTags, retentionDays, log } = this.#options
    const fields = {
      logGroupName: group,
      ...(groupClass === undefined ? {} : { logGroupClass: groupClass }),
      ...(groupTags === undefined ? {} : { tags: groupTags }),
    }
    const answer = await call.call('CreateLogGroup', fields, signal)
    if (answer.isOk) log.info(`created log group ${group}`)
    else if (answer.error.name === ABORTED) return
    else if (answer.error.name !== EXISTS) throw this.#failed(`cannot create log group ${group}`, answer)
    if (retentionDays === 0) return
    if (this.#withoutRetention.size < MAX_STREAMS) this.#withoutRetention.add(group)
    await this.#setRetention(group, signal)
  }

  /** Rejects when a retry may help; any other failure is only logged. */
  async #setRetention(group: string, signal: AbortSignal): Promise<void> {
    const { call, retentionDays, log } = this.#options
    const fields = { logGroupName: group, retentionInDays: retentionDays }
    const answer = await call.call('PutRetentionPolicy', fields, signal)
    if (!answer.isOk && isPassing(answer.error))
      throw this.#failed(`the retention of log group ${group} cannot be set`, answer)
    this.#withoutRetention.delete(group)
    // A group that has been deleted meanwhile is created again with its stream.
    if (answer.isOk || answer.error.name === NOT_FOUND) return
    log.warn(
      `cannot set the retention of log group ${group}, so its events never expire: ${describeAwsError(answer.status, answer.error)}`,
      { hint: 'grant the role or user logs:PutRetentionPolicy, or set the retention of the group by hand' },
    )
  }

  #groupIsMissing(group: string, { status, error }: Refusal): ShipperError {
    const { peer, createsGroups } = this.#options
    const words = describeAwsError(status, error)
    return new ShipperError('E_HTTP_ANSWER', `${peer}: log group ${group} does not exist: ${words}`, {
      ...{ retryable: true, scope: 'chunk' },
      hint: createsGroups
        ? 'it was created and is not visible yet, or something deletes it; records wait, and none is lost'
        : 'create the log group, or set Auto_Create_Group; records wait, and none is lost',
    })
  }

  #failed(what: string, { status, error }: Refusal): ShipperError {
    const isAccess = error.class === 'access' || error.class === 'credentials' || error.class === 'clock'
    const message = `${this.#options.peer}: ${what}: ${describeAwsError(status, error)}`
    return new ShipperError(isAccess ? 'E_PEER_AUTH' : 'E_HTTP_ANSWER', message, {
      ...{ retryable: true, scope: 'chunk' },
      hint: isAccess
        ? 'grant the role or user the permissions named in the message (logs:CreateLogStream, logs:CreateLogGroup); records wait, and none is lost'
        : 'the request is retried; records wait, and none is lost',
    })
  }
}

const DONE = Promise.resolve()

function keyOf({ group, stream }: StreamName): string {
  return `${group}:${stream}`
}

function isPassing(error: AwsError): boolean {
  return error.name === ABORTED || error.class === 'throttling' || error.class === 'server'
}
