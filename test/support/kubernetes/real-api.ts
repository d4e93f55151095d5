import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '../ports.ts'
import { type Running, start } from '../process.ts'
import { onPath, peerOrSkip } from '../skip.ts'
import { atEnd, tmp } from '../tmp.ts'
import { until } from '../until.ts'
import type { PodObject } from './pods.ts'

const PROGRAMS = ['kube-apiserver', 'etcd']
const ADMIN = 'test-admin-token'
/** Plural of the kinds that the manifests have, and the path in front of it. */
const PATHS: Record<string, string> = {
  Namespace: '/api/v1/namespaces',
  ServiceAccount: '/api/v1/namespaces/shipper/serviceaccounts',
  ConfigMap: '/api/v1/namespaces/shipper/configmaps',
  ResourceQuota: '/api/v1/namespaces/shipper/resourcequotas',
  DaemonSet: '/apis/apps/v1/namespaces/shipper/daemonsets',
  StatefulSet: '/apis/apps/v1/namespaces/shipper/statefulsets',
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
}

/** `test` for cases that need a real API server: `kube-apiserver` and `etcd`, which build from their Go modules. */
export const testWithApiServer = peerOrSkip(
  'kube-apiserver',
  PROGRAMS.every(onPath),
  'no `kube-apiserver` and `etcd` on PATH; both build from their Go modules',
  'nowhere',
)

export interface Answer {
  status: number
  body: { message?: string; status?: { token?: string }; [key: string]: unknown }
}

/** A real API server with its etcd on loopback, without any controller, scheduler or kubelet: a test does what they do. */
export class RealApi {
  /** A token that may do everything. */
  static readonly token = ADMIN
  readonly #dir = tmp()
  readonly #ports: [number, number, number]
  #server: Running | undefined

  private constructor(ports: number[]) {
    this.#ports = ports as [number, number, number]
  }

  static async start(): Promise<RealApi> {
    const api = new RealApi(await freePorts(3))
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    writeFileSync(api.#path('sa.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }))
    writeFileSync(api.#path('tokens.csv'), `${ADMIN},admin,admin,"system:masters"\n`)
    api.#startEtcd()
    await api.up()
    atEnd(() => api.down())
    return api
  }

  get url(): string {
    return `https://127.0.0.1:${this.#ports[0]}`
  }

  get authority(): { cert: string } {
    return { cert: readFileSync(this.#path('certs/apiserver.crt'), 'utf8') }
  }

  /** Starts the server, with the state that it had. */
  async up(): Promise<void> {
    const [port, etcd] = this.#ports
    const options = {
      'etcd-servers': `http://127.0.0.1:${etcd}`,
      'secure-port': port,
      'bind-address': '127.0.0.1',
      'cert-dir': this.#path('certs'),
      'service-account-key-file': this.#path('sa.key'),
      'service-account-signing-key-file': this.#path('sa.key'),
      'service-account-issuer': 'https://kubernetes.default.svc',
      'authorization-mode': 'RBAC',
      'token-auth-file': this.#path('tokens.csv'),
      'service-cluster-ip-range': '10.0.0.0/24',
      // Else no pod can be created without a controller that makes service accounts.
      'disable-admission-plugins': 'ServiceAccount',
    }
    const server = start(flags(options), { command: ['kube-apiserver'] })
    this.#server = server
    const isReady = async (): Promise<boolean> => {
      if (server.exit !== undefined) throw new Error(server.stderr.slice(-2000))
      return existsSync(this.#path('certs/apiserver.crt')) && (await this.#get('/readyz')).status === 200
    }
    await until(() => isReady().catch(() => false), {
      limitMs: 120_000,
      everyMs: 200,
      what: () => server.stderr.slice(-2000),
    })
  }

  async down(): Promise<void> {
    await this.#server?.stop('SIGKILL')
  }

  #startEtcd(): void {
    const [, client, peer] = this.#ports.map((port) => `http://127.0.0.1:${port}`)
    const options = {
      'data-dir': this.#path('etcd'),
      'listen-client-urls': client,
      'advertise-client-urls': client,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': `default=${peer}`,
      'unsafe-no-fsync': true,
    }
    start(flags(options), { command: ['etcd'] })
  }

  /** Creates an object of the manifests; the server rejects fields that it does not know. */
  apply(object: { kind: string }): Promise<Answer> {
    return this.send('POST', `${PATHS[object.kind]}?fieldValidation=Strict`, object)
  }

  /** Creates a pod that runs on its node, with the status that a kubelet reports; returns it with its uid. */
  async create(pod: PodObject): Promise<PodObject> {
    const { uid: _, ...metadata } = pod.metadata
    const { name, namespace } = metadata
    const path = `/api/v1/namespaces/${namespace}/pods`
    const containers = pod.spec.containers.map(({ name: container, image }) => ({ name: container, image }))
    const spec = { nodeName: pod.spec.nodeName, containers }
    const { labels, annotations } = metadata
    const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name, labels, annotations }, spec }
    const created = await this.#sure('POST', path, object)
    await this.#sure('PATCH', `${path}/${name}/status`, { status: { ...pod.status, conditions: [] } })
    const uid = String((created.body.metadata as { uid: string }).uid)
    return { ...pod, metadata: { ...pod.metadata, uid } }
  }

  async delete(pod: PodObject): Promise<void> {
    const { name, namespace } = pod.metadata
    await this.#sure('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}?gracePeriodSeconds=0`)
  }

  /** Creates an event, or changes it if it exists. */
  async putEvent(name: string, fields: object = {}): Promise<void> {
    const path = '/api/v1/namespaces/default/events'
    const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
    const object = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace: 'default' },
      involvedObject: { kind: 'Pod', namespace: 'default', name: 'web' },
      reason: 'Started',
      type: 'Normal',
      firstTimestamp: time,
      lastTimestamp: time,
      ...fields,
    }
    const { status } = await this.send('POST', path, object)
    if (status === 409) await this.#sure('PATCH', `${path}/${name}`, { lastTimestamp: time, ...fields })
    else if (status !== 201) throw new Error(`POST ${path}: ${status}`)
  }

  deleteEvent(name: string): Promise<Answer> {
    return this.#sure('DELETE', `/api/v1/namespaces/default/events/${name}`)
  }

  /** Lets etcd forget all versions but the current one: a watch has expired that begins with an older one. */
  async compact(): Promise<void> {
    const url = `http://127.0.0.1:${this.#ports[1]}/v3/kv`
    const post = async (path: string, body: object): Promise<{ header: { revision: string } }> =>
      (await fetch(`${url}/${path}`, { method: 'POST', body: JSON.stringify(body) })).json() as never
    const { header } = await post('range', { key: Buffer.from('x').toString('base64') })
    await post('compaction', { revision: header.revision, physical: true })
  }

  /** Returns a token of the service account. */
  async tokenOf(namespace: string, name: string): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`
    const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} }
    return (await this.#sure('POST', path, request)).body.status?.token ?? ''
  }

  async send(method: string, path: string, body?: object): Promise<Answer> {
    const isPatch = method === 'PATCH'
    const response = await fetch(this.url + path, {
      method,
      headers: {
        authorization: `Bearer ${ADMIN}`,
        'content-type': isPatch ? 'application/merge-patch+json' : 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      tls: { ca: this.authority.cert },
    })
    const text = await response.text()
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : { message: text } }
  }

  #get(path: string): Promise<Answer> {
    return this.send('GET', path)
  }

  async #sure(method: string, path: string, body?: object): Promise<Answer> {
    const answer = await this.send(method, path, body)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body.message}`)
    return answer
  }

  #path(name: string): string {
    return join(this.#dir, name)
  }
}

function flags(options: Record<string, string | number | boolean | undefined>): string[] {
  return Object.entries(options).map(([name, value]) => `--${name}=${value}`)
}
