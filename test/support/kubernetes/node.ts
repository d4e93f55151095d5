import { appendFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Running, start } from '../process.ts'
import { tmp } from '../tmp.ts'
import { until } from '../until.ts'
import { logName, NODE, type PodObject } from './pods.ts'

export interface LogRecord {
  log?: string
  kubernetes?: {
    pod_name?: string
    pod_id?: string
    labels?: Record<string, string>
    incomplete?: boolean
    [key: string]: unknown
  }
  [key: string]: unknown
}

/**
 * The log directories of a node, as the kubelet and a container runtime keep them, under a temporary directory:
 *
 * ```
 *   containers/POD_NAMESPACE_CONTAINER-ID.log -> pods/NAMESPACE_POD_UID/CONTAINER/0.log
 * ```
 */
export class KubeNode {
  readonly dir = tmp()
  readonly #api: { url: string; authority?: { cert: string } | undefined }

  constructor(api: { url: string; authority?: { cert: string } | undefined }) {
    this.#api = api
    for (const name of ['containers', 'pods', 'account']) mkdirSync(join(this.dir, name))
    if (api.authority !== undefined) writeFileSync(join(this.dir, 'account/ca.crt'), api.authority.cert)
  }

  set token(text: string) {
    writeFileSync(join(this.dir, 'account/token'), text)
  }

  /** Writes lines of the pod's container, as Docker does. */
  log(pod: PodObject, ...texts: string[]): void {
    const lines = texts.map((log) => `${JSON.stringify({ log: `${log}\n`, stream: 'stdout', time: TIME })}\n`)
    this.#write(pod, lines)
  }

  /** Writes lines of the pod's container, as containerd and CRI-O do. */
  logCri(pod: PodObject, ...texts: string[]): void {
    this.#write(
      pod,
      texts.map((text) => `${TIME} stdout F ${text}\n`),
    )
  }

  #write(pod: PodObject, lines: readonly string[]): void {
    const directory = this.#podDirectory(pod)
    const file = join(directory, '0.log')
    const isNew = mkdirSync(directory, { recursive: true }) !== undefined
    appendFileSync(file, lines.join(''))
    if (isNew) this.link(pod)
  }

  /** Links the pod's log under /var/log/containers; a name that was cut may be that of another log. */
  link(pod: PodObject): void {
    const link = join(this.dir, 'containers', logName(pod))
    rmSync(link, { force: true })
    symlinkSync(join(this.#podDirectory(pod), '0.log'), link)
  }

  /** Removes the logs of a pod, as the kubelet does. */
  remove(pod: PodObject): void {
    const { namespace, name, uid } = pod.metadata
    rmSync(join(this.dir, 'pods', `${namespace}_${name}_${uid}`), { recursive: true })
    rmSync(join(this.dir, 'containers', logName(pod)))
  }

  /** Starts the agent as a DaemonSet does. */
  agent(
    filter: Record<string, string> = {},
    input: Record<string, string> = {},
    output: Record<string, string> = { name: 'stdout', match: '*', format: 'json_lines' },
    service: Record<string, string> = {},
  ): AgentRun {
    const dotted = this.dir.replaceAll('/', '.')
    const tail = {
      name: 'tail',
      tag: 'kube.*',
      path: join(this.dir, 'containers/*.log'),
      db: join(this.dir, 'pos.db'),
      parser: 'docker',
      read_from_head: 'on',
      ...input,
    }
    const kubernetes = {
      name: 'kubernetes',
      match: 'kube.*',
      kube_url: this.#api.url,
      kube_tag_prefix: `kube${dotted}.containers.`,
      kube_token_file: join(this.dir, 'account/token'),
      kube_ca_file: join(this.dir, 'account/ca.crt'),
      ...filter,
    }
    const text = [
      section('SERVICE', { flush: '0.1', ...service }),
      section('INPUT', tail),
      section('FILTER', kubernetes),
      section('OUTPUT', output),
    ]
    const conf = join(this.dir, 'agent.conf')
    writeFileSync(conf, text.join('\n'))
    return new AgentRun(start(['-c', conf], { env: { NODE_NAME: NODE } }))
  }

  #podDirectory(pod: PodObject): string {
    const { namespace, name, uid } = pod.metadata
    const container = (pod.spec.containers[0] as { name: string }).name
    return join(this.dir, 'pods', `${namespace}_${name}_${uid}`, container)
  }
}

const TIME = '2026-11-21T06:00:00.123456789Z'

export class AgentRun {
  readonly process: Running

  constructor(process: Running) {
    this.process = process
  }

  get records(): LogRecord[] {
    const { stdout } = this.process
    const complete = stdout.slice(0, stdout.lastIndexOf('\n') + 1)
    return complete
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as LogRecord)
  }

  of(pod: PodObject): LogRecord[] {
    return this.records.filter((record) => record.kubernetes?.pod_name === pod.metadata.name)
  }

  waitFor(count: number, limitMs = 120_000): Promise<LogRecord[]> {
    const what = (): string => `${count} records, have ${this.records.length}:\n${this.process.stderr}`
    return until(() => (this.records.length >= count ? this.records : undefined), {
      limitMs,
      what,
      everyMs: 20,
    })
  }
}

function section(name: string, options: Record<string, string>): string {
  const lines = Object.entries(options).map(([key, value]) => `    ${key}  ${value}\n`)
  return `[${name}]\n${lines.join('')}`
}
