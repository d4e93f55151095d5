import {
  encodeStr,
  FALSE,
  TRUE,
  writeArrayHead,
  writeMapHead,
  writeNumber,
} from '../../../../core/msgpack/encode.ts'
import type { Parser } from '../../../../core/parser.ts'
import type { ContainerRef } from '../pods/container-ref.ts'
import { findContainer, type Namespace, type OwnerReference, type Pod, type StringMap } from '../pods/pod.ts'
import type { Stream } from './annotations.ts'

/** The optional fields of a pod and its namespace that are added to records. */
export interface MetadataFields {
  labels: boolean
  annotations: boolean
  owners: boolean
  namespaceLabels: boolean
  namespaceAnnotations: boolean
  namespaceOnly: boolean
}

/** MessagePack pairs appended to each record of a container, encoded once. */
export interface MetadataPairs {
  bytes: Buffer
  /** Offset of each pair in `bytes`. */
  starts: number[]
}

/** Handling of the records of one stream that the pod's annotations request. */
export interface StreamHandling {
  exclude: boolean
  parser: Parser | undefined
}

/** Metadata for the records of one container, and how their lines are handled. */
export interface ContainerMetadata {
  pairs: MetadataPairs
  /** Handling requested by the pod's annotations, per stream; undefined without a request. */
  streams: Record<Stream, StreamHandling> | undefined
}

export const KUBERNETES_KEY = encodeStr('kubernetes')
export const NAMESPACE_KEY = encodeStr('kubernetes_namespace')

/**
 * Encodes the value of `kubernetes`: {pod_name, namespace_name, pod_id, labels, annotations, host, pod_ip,
 * container_name, docker_id, container_hash, container_image, ownerReferences}, in this order; unknown fields are
 * omitted.
 */
export function encodePod(pod: Pod, ref: ContainerRef, fields: MetadataFields): Buffer {
  const map = new MapBuilder()
  map.string('pod_name', pod.name).string('namespace_name', pod.namespace).string('pod_id', pod.uid)
  if (fields.labels) map.strings('labels', pod.labels)
  if (fields.annotations) map.strings('annotations', pod.annotations)
  const container = findContainer(pod, ref)
  map
    .string('host', pod.node)
    .string('pod_ip', pod.ip)
    .string('container_name', ref.container)
    .string('docker_id', ref.dockerId ?? containerIdOfRun(pod, ref))
    .string('container_hash', container?.imageId)
    .string('container_image', container?.image)
  if (fields.owners && pod.owners !== undefined && pod.owners.length > 0)
    map.add('ownerReferences', encodeOwners(pod.owners))
  return map.bytes()
}

/** Encodes the fields known from the log path alone, with `incomplete: true` if `incomplete` is set. */
export function encodeRef(ref: ContainerRef | undefined, incomplete: boolean): Buffer {
  const map = new MapBuilder()
    .string('pod_name', ref?.pod)
    .string('namespace_name', ref?.namespace)
    .string('pod_id', ref?.uid)
    .string('container_name', ref?.container)
    .string('docker_id', ref?.dockerId)
  if (ref?.restarts !== undefined) map.number('restart_count', ref.restarts)
  if (incomplete) map.add('incomplete', Buffer.from([TRUE]))
  return map.bytes()
}

export function encodeNamespace(
  name: string,
  namespace: Namespace | undefined,
  fields: MetadataFields,
): Buffer {
  const map = new MapBuilder().string('name', name)
  if (fields.namespaceLabels) map.strings('labels', namespace?.labels)
  if (fields.namespaceAnnotations) map.strings('annotations', namespace?.annotations)
  return map.bytes()
}

export function encodeDummy(nowMs: number): Buffer {
  return new MapBuilder().string('dummy', new Date(nowMs).toISOString()).bytes()
}

/** Joins the pairs that records get; either map may be absent. */
export function metadataPairs(kubernetes: Buffer | undefined, namespace: Buffer | undefined): MetadataPairs {
  const first = kubernetes === undefined ? [] : [KUBERNETES_KEY, kubernetes]
  const second = namespace === undefined ? [] : [NAMESPACE_KEY, namespace]
  const bytes = Buffer.concat([...first, ...second])
  const starts = [
    ...(kubernetes === undefined ? [] : [0]),
    ...(namespace === undefined ? [] : [bytes.length - NAMESPACE_KEY.length - namespace.length]),
  ]
  return { bytes, starts }
}

/** Returns the container id of the run that a log under /var/log/pods is named by, if the pod still reports it. */
function containerIdOfRun(pod: Pod, ref: ContainerRef): string | undefined {
  const container = findContainer(pod, ref)
  if (container === undefined || ref.restarts === undefined) return undefined
  if (ref.restarts === container.restarts) return container.id
  return ref.restarts === container.restarts - 1 ? container.lastId : undefined
}

function encodeOwners(owners: OwnerReference[]): Buffer {
  const head = Buffer.alloc(5)
  const items = owners.map((owner) => {
    const map = new MapBuilder()
    for (const [key, value] of Object.entries(owner)) {
      if (typeof value === 'string') map.string(key, value)
      else map.add(key, Buffer.from([value ? TRUE : FALSE]))
    }
    return map.bytes()
  })
  return Buffer.concat([head.subarray(0, writeArrayHead(head, 0, owners.length)), ...items])
}

class MapBuilder {
  readonly #parts: Buffer[] = []
  #pairs = 0

  add(key: string, value: Buffer): this {
    this.#parts.push(encodeStr(key), value)
    this.#pairs++
    return this
  }

  /** Adds the pair unless `value` is undefined. */
  string(key: string, value: string | undefined): this {
    return value === undefined ? this : this.add(key, encodeStr(value))
  }

  number(key: string, value: number): this {
    const out = Buffer.alloc(9)
    return this.add(key, out.subarray(0, writeNumber(out, 0, value)))
  }

  strings(key: string, values: StringMap | undefined): this {
    const entries = Object.entries(values ?? {})
    if (entries.length === 0) return this
    const map = new MapBuilder()
    for (const [name, value] of entries) map.string(name, value)
    return this.add(key, map.bytes())
  }

  bytes(): Buffer {
    const head = Buffer.alloc(5)
    return Buffer.concat([head.subarray(0, writeMapHead(head, 0, this.#pairs)), ...this.#parts])
  }
}
