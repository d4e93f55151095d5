import { ShipperError } from '../../../core/error.ts'
import { HttpClient } from '../../../lib/http/client.ts'
import { requestText } from '../../../lib/http/text.ts'
import { formatAddress } from '../../../lib/net/connect.ts'
import type { ClusterValues, TaskValues } from './template.ts'

const CLUSTER_PATH = '/v1/metadata'
const TASK_PATH = '/v1/tasks?dockerid='
const ANSWER_TIMEOUT_MS = 2000
/** Maximum size of an answer: a task has at most ten containers. */
const MAX_ANSWER_BYTES = 1_000_000
const MAX_VALUE_CHARS = 2048
const UNFIT = /[\p{Cc}\ufffd]/u

type Fields = Record<string, unknown>

/** A client of the introspection endpoint of the ECS agent. */
export class EcsAgent {
  readonly #http: HttpClient
  readonly #signal: AbortSignal
  readonly #onRequest: () => void

  constructor(host: string, port: number, signal: AbortSignal, onRequest: () => void) {
    this.#http = new HttpClient({
      origin: `http://${formatAddress(host, port)}`,
      connectTimeoutMs: ANSWER_TIMEOUT_MS,
    })
    this.#signal = signal
    this.#onRequest = onRequest
  }

  async cluster(): Promise<ClusterValues> {
    const answer = await this.#get(CLUSTER_PATH)
    if (answer === undefined) throw unexpected(CLUSTER_PATH, 'there is none')
    const arn = textOf(answer, 'ContainerInstanceArn', CLUSTER_PATH)
    return {
      ClusterName: textOf(answer, 'Cluster', CLUSTER_PATH),
      ContainerInstanceArn: arn,
      ContainerInstanceID: idOf(arn, CLUSTER_PATH),
      ECSAgentVersion: textOf(answer, 'Version', CLUSTER_PATH),
    }
  }

  /** Resolves with the values of a container and its task; undefined: the agent knows no task with it. */
  async task(shortId: string): Promise<TaskValues | undefined> {
    const path = TASK_PATH + shortId
    const answer = await this.#get(path)
    if (answer === undefined) return undefined
    const containers = Array.isArray(answer.Containers) ? (answer.Containers as unknown[]) : []
    const container = containers.find(
      (each): each is Fields =>
        isFields(each) && typeof each.DockerId === 'string' && each.DockerId.startsWith(shortId),
    )
    if (container === undefined) return undefined
    const arn = textOf(answer, 'Arn', path)
    const family = textOf(answer, 'Family', path)
    const version = textOf(answer, 'Version', path)
    return {
      ContainerID: textOf(container, 'DockerId', path),
      DockerContainerName: textOf(container, 'DockerName', path),
      ECSContainerName: textOf(container, 'Name', path),
      TaskARN: arn,
      TaskID: idOf(arn, path),
      TaskDefinition: `${family}:${version}`,
      TaskDefinitionFamily: family,
      TaskDefinitionVersion: version,
    }
  }

  async close(): Promise<void> {
    await this.#http.close()
  }

  /** Resolves with the object at a path; undefined for a status of 400 to 499. */
  async #get(path: string): Promise<Fields | undefined> {
    this.#onRequest()
    const limits = { signal: this.#signal, timeoutMs: ANSWER_TIMEOUT_MS, maxBodyBytes: MAX_ANSWER_BYTES }
    const { status, text } = await requestText(this.#http, { path, ...limits })
    if (status >= 400 && status < 500) return undefined
    if (status !== 200) throw unexpected(path, `status ${status}`)
    let answer: unknown
    try {
      answer = JSON.parse(text)
    } catch {
      throw unexpected(path, 'the answer is not JSON')
    }
    if (!isFields(answer)) throw unexpected(path, 'the answer is no object')
    return answer
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOf(fields: Fields, name: string, path: string): string {
  const value = fields[name]
  if (typeof value === 'string' && value !== '' && value.length <= MAX_VALUE_CHARS) {
    if (!UNFIT.test(value)) return value
    throw unexpected(path, `${name} in the answer is not one line of text`)
  }
  throw unexpected(path, `the answer has no ${name}`)
}

/** Returns what follows the last slash of an ARN. */
function idOf(arn: string, path: string): string {
  const id = arn.slice(arn.lastIndexOf('/') + 1)
  if (id === '' || id === arn) throw unexpected(path, 'the answer has an ARN without an id')
  return id
}

function unexpected(path: string, reason: string): ShipperError {
  return new ShipperError('E_PEER_PROTOCOL', `GET ${path}: ${reason}`, { retryable: true })
}
