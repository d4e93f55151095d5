import { skip } from '../../../core/msgpack/encode.ts'
import {
  arrayBody,
  arrayItems,
  findKey,
  mapBody,
  mapPairs,
  textHead,
  textLength,
} from '../../../core/msgpack/record.ts'
import type { Attribute } from '../../../protocol/otlp/text-attributes.ts'

/** Fields of the filter kubernetes by the attributes of OpenTelemetry's conventions. */
const FIELDS: readonly (readonly [field: string, attribute: string])[] = [
  ['namespace_name', 'k8s.namespace.name'],
  ['pod_name', 'k8s.pod.name'],
  ['pod_id', 'k8s.pod.uid'],
  ['pod_ip', 'k8s.pod.ip'],
  ['host', 'k8s.node.name'],
  ['container_name', 'k8s.container.name'],
  ['docker_id', 'container.id'],
]
const RESTARTS = Buffer.from('restart_count')
const IMAGE = Buffer.from('container_image')
const OWNERS = Buffer.from('ownerReferences')
const KIND = Buffer.from('kind')
const NAME = Buffer.from('name')
const NAME_LABEL = 'app.kubernetes.io/name'

/** Returns the attributes of a pod from the map of the filter kubernetes at `map`, and from the one of its namespace, or -1. */
export function kubernetesAttributes(buf: Buffer, map: number, end: number, namespace: number): Attribute[] {
  const attributes: Attribute[] = []
  for (const [field, name] of FIELDS) {
    const text = textAt(buf, findKey(buf, map, end, Buffer.from(field)))
    if (text !== '') attributes.push([name, text])
  }
  const restarts = findKey(buf, map, end, RESTARTS)
  if (restarts >= 0 && (buf[restarts] as number) < 0x80)
    attributes.push(['k8s.container.restart_count', buf[restarts] as number])
  attributes.push(...imageAttributes(textAt(buf, findKey(buf, map, end, IMAGE))))
  const owners = ownersAt(buf, findKey(buf, map, end, OWNERS), end)
  attributes.push(...owners)
  const labels = textPairs(buf, findKey(buf, map, end, Buffer.from('labels')), end)
  const service =
    labels.find(([name]) => name === NAME_LABEL)?.[1] ??
    owners[0]?.[1] ??
    attributes.find(([name]) => name === 'k8s.container.name')?.[1]
  if (service !== undefined) attributes.unshift(['service.name', service])
  const annotations = textPairs(buf, findKey(buf, map, end, Buffer.from('annotations')), end)
  for (const [name, value] of labels) attributes.push([`k8s.pod.label.${name}`, value])
  for (const [name, value] of annotations) attributes.push([`k8s.pod.annotation.${name}`, value])
  if (namespace >= 0 && mapPairs(buf, namespace) >= 0) {
    const last = skip(buf, namespace, buf.length)
    const of = (key: string): [string, string][] =>
      textPairs(buf, findKey(buf, namespace, last, Buffer.from(key)), last)
    for (const [name, value] of of('labels')) attributes.push([`k8s.namespace.label.${name}`, value])
    for (const [name, value] of of('annotations'))
      attributes.push([`k8s.namespace.annotation.${name}`, value])
  }
  return attributes
}

/** Returns name and tag of an image: `registry:5000/team/web:1.2@sha256:...`. */
function imageAttributes(image: string): Attribute[] {
  if (image === '') return []
  const [, name = image, tag] = /^(.+?)(?::([\w][\w.-]{0,127}))?(?:@.*)?$/.exec(image) ?? []
  return [
    ['container.image.name', name],
    ...(tag === undefined ? [] : [['container.image.tag', tag] as const]),
  ]
}

function ownersAt(buf: Buffer, list: number, end: number): Attribute[] {
  const owners: Attribute[] = []
  let at = list < 0 ? -1 : arrayBody(buf, list)
  for (let left = list < 0 ? 0 : arrayItems(buf, list); left > 0; left--) {
    const next = skip(buf, at, end)
    if (mapPairs(buf, at) >= 0) {
      const kind = textAt(buf, findKey(buf, at, next, KIND)).toLowerCase()
      const name = textAt(buf, findKey(buf, at, next, NAME))
      if (kind !== '' && name !== '') owners.push([`k8s.${kind}.name`, name])
    }
    at = next
  }
  return owners
}

/** Returns the pairs of the map at `map` that are texts. */
function textPairs(buf: Buffer, map: number, end: number): [string, string][] {
  const pairs: [string, string][] = []
  let at = map < 0 ? -1 : mapBody(buf, map)
  for (let left = map < 0 ? 0 : mapPairs(buf, map); left > 0; left--) {
    const value = skip(buf, at, end)
    if (textHead(buf, at) > 0 && textHead(buf, value) > 0) pairs.push([textAt(buf, at), textAt(buf, value)])
    at = skip(buf, value, end)
  }
  return pairs
}

/** Returns the text at `at`; empty for another value or none. */
function textAt(buf: Buffer, at: number): string {
  const head = at < 0 ? -1 : textHead(buf, at)
  return head < 0 ? '' : buf.toString('utf8', at + head, at + head + textLength(buf, at))
}
