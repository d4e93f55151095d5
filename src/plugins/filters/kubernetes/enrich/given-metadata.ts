import { JsonTranscoder, jsonBound } from '../../../../lib/json/json-to-msgpack.ts'
import type { KubernetesOptions } from '../options.ts'
import type { StringMap } from '../pods/pod.ts'
import type { ContainerCache } from './container-cache.ts'
import { type ContainerMetadata, encodeNamespace, type MetadataFields, metadataPairs } from './metadata.ts'

/**
 * Returns the metadata of a map `kubernetes` that is given for a trial, in the form that records have. The options choose what
 * of it records get, as they do of a pod; its annotations choose how lines are handled. Without one records get no map.
 */
export function givenMetadata(
  given: Record<string, unknown> | undefined,
  options: KubernetesOptions,
  containers: ContainerCache,
): ContainerMetadata {
  if (given === undefined) return { pairs: metadataPairs(undefined, undefined), streams: undefined }
  const { labels, annotations, ownerReferences, ...others } = given
  const pod = {
    namespace: textOf(given.namespace_name),
    name: textOf(given.pod_name),
    annotations: stringsOf(annotations),
  }
  // The fields stay in the order in which they are given.
  const isKept = (name: string): boolean =>
    name in others ||
    (name === 'labels' && options.labels) ||
    (name === 'annotations' && options.annotations) ||
    (name === 'ownerReferences' && options.ownerReferences)
  const kept = Object.fromEntries(Object.entries(given).filter(([name]) => isKept(name)))
  const { namespaceLabels, namespaceAnnotations, namespaceMetadataOnly } = options
  const fields = { namespaceLabels, namespaceAnnotations } as MetadataFields
  const namespace =
    namespaceLabels || namespaceAnnotations ? encodeNamespace(pod.namespace, undefined, fields) : undefined
  const container = given.container_name
  return {
    pairs: metadataPairs(namespaceMetadataOnly ? undefined : encodeMap(kept), namespace),
    streams: containers.streamRules(pod, typeof container === 'string' ? container : undefined),
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function stringsOf(value: unknown): StringMap {
  const pairs = typeof value === 'object' && value !== null ? Object.entries(value) : []
  return Object.fromEntries(pairs.filter((pair): pair is [string, string] => typeof pair[1] === 'string'))
}

function encodeMap(map: Record<string, unknown>): Buffer {
  const src = Buffer.from(JSON.stringify(map))
  const out = Buffer.allocUnsafe(jsonBound(src.length))
  return out.subarray(0, new JsonTranscoder().transcode(src, 0, src.length, out, 0))
}
