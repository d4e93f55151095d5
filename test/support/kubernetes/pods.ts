import { randomUUID } from 'node:crypto'

/** The parts of a pod object that tests set and read; `podOf` fills in the rest of a real one. */
export interface PodObject {
  metadata: {
    name: string
    namespace: string
    uid: string
    resourceVersion?: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
    deletionTimestamp?: string
    ownerReferences?: Record<string, unknown>[]
    [key: string]: unknown
  }
  spec: { nodeName?: string; containers: Record<string, unknown>[]; [key: string]: unknown }
  status: { phase: string; podIP?: string; containerStatuses?: ContainerStatus[]; [key: string]: unknown }
}

export interface ContainerStatus {
  name: string
  image: string
  imageID: string
  containerID?: string
  restartCount: number
  [key: string]: unknown
}

export interface PodParts {
  name: string
  namespace?: string
  uid?: string
  node?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  container?: string
  /** Container id, 64 hex digits. */
  dockerId?: string
  ip?: string
  owner?: string
  /** Size in bytes of an annotation that makes the object large. */
  padding?: number
}

export const NODE = 'node-1'

export function dockerId(seed: number | string): string {
  return Buffer.from(String(seed)).toString('hex').padStart(64, 'c').slice(-64)
}

/** Returns a running pod of one container, with the other fields of a real one: managed fields, conditions, volumes. */
export function podOf(parts: PodParts): PodObject {
  const { name, namespace = 'default', container = 'app', node = NODE } = parts
  const id = parts.dockerId ?? dockerId(name)
  const annotations = { ...parts.annotations, ...(parts.padding ? { pad: 'p'.repeat(parts.padding) } : {}) }
  return {
    metadata: {
      name,
      generateName: `${name}-`,
      namespace,
      uid: parts.uid ?? randomUUID(),
      creationTimestamp: '2026-11-21T06:00:00Z',
      labels: parts.labels ?? { app: name },
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      ownerReferences: [
        {
          apiVersion: 'apps/v1',
          kind: 'ReplicaSet',
          name: parts.owner ?? `${name}-rs`,
          uid: randomUUID(),
          controller: true,
        },
      ],
      managedFields: [
        {
          manager: 'kubelet',
          operation: 'Update',
          apiVersion: 'v1',
          fieldsV1: { 'f:status': { '"quoted \\" {[': {} } },
        },
      ],
    },
    spec: {
      nodeName: node,
      containers: [{ name: container, image: 'web:1.0', resources: {}, volumeMounts: [] }],
      volumes: [{ name: 'kube-api-access', projected: { sources: [], defaultMode: 420 } }],
    },
    status: {
      phase: 'Running',
      podIP: parts.ip ?? '10.1.2.3',
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-11-21T06:00:01Z' }],
      containerStatuses: [
        {
          name: container,
          image: 'docker.io/library/web:1.0',
          imageID: 'docker.io/library/web@sha256:abcdef',
          containerID: `containerd://${id}`,
          restartCount: 0,
          ready: true,
          started: true,
          state: { running: { startedAt: '2026-11-21T06:00:01Z' } },
        },
      ],
    },
  }
}

/** Returns the kubelet's name for a container's log under /var/log/containers, which it cuts at 251 characters. */
export function logName(pod: PodObject): string {
  const status = pod.status.containerStatuses?.[0]
  const id = status?.containerID?.split('://')[1] ?? dockerId(pod.metadata.name)
  const container = (pod.spec.containers[0] as { name: string }).name
  return `${`${pod.metadata.name}_${pod.metadata.namespace}_${container}-${id}`.slice(0, 251)}.log`
}
