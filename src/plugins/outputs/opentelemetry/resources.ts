import { skip } from '../../../core/msgpack/encode.ts'
import { findKey, mapPairs } from '../../../core/msgpack/record.ts'
import type { Group } from '../../../lib/records/group.ts'
import {
  EMPTY_PART,
  type EncodedPart,
  encodeAttributes,
  encodeResource,
  encodeScope,
} from '../../../protocol/otlp/logs-request.ts'
import { type Attribute, encodeTextAttributes } from '../../../protocol/otlp/text-attributes.ts'
import { kubernetesAttributes } from './kubernetes-resource.ts'

/** Number of resources that are kept: one for each container. */
const MAX_PARTS = 2048
const RESOURCE = Buffer.from('resource')
const SCOPE = Buffer.from('scope')
const NO_SCHEMA = Buffer.alloc(0)

/** Resource and scope of records. */
export interface Source {
  resource: EncodedPart
  scope: EncodedPart
}

/** Parts by the bytes that they are encoded from; a record with the same bytes as the previous one costs one comparison. */
class PartCache {
  readonly #parts = new Map<string, Source>()
  #last: Buffer = Buffer.allocUnsafe(1024)
  #lastBytes = -1
  #source: Source | undefined

  /** Returns the parts of the bytes buf[start, end), which `make` makes when they are new. */
  get(buf: Buffer, start: number, end: number, make: () => Source): Source {
    const bytes = end - start
    const last = this.#source
    if (
      last !== undefined &&
      bytes === this.#lastBytes &&
      buf.compare(this.#last, 0, bytes, start, end) === 0
    )
      return last
    const key = buf.toString('latin1', start, end)
    let source = this.#parts.get(key)
    if (source === undefined) {
      source = make()
      if (this.#parts.size === MAX_PARTS) this.#parts.clear()
      this.#parts.set(key, source)
    }
    if (this.#last.length < bytes) this.#last = Buffer.allocUnsafe(bytes * 2)
    buf.copy(this.#last, 0, start, end)
    this.#lastBytes = bytes
    this.#source = source
    return source
  }
}

/** Encodes resources and scopes, once for each. */
export class Resources {
  /** Resource and scope of a record that has neither. */
  readonly none: Source
  readonly #labels: readonly Attribute[]
  readonly #added: Buffer
  readonly #groups = new PartCache()
  readonly #pods = new PartCache()
  readonly #given = new PartCache()

  /** `labels`: attributes of each resource. */
  constructor(labels: readonly Attribute[]) {
    this.#labels = labels
    this.#added = encodeTextAttributes(labels)
    this.none = { resource: { message: this.#added, schemaUrl: NO_SCHEMA }, scope: EMPTY_PART }
  }

  /** Returns those of the group in metadata, as the input opentelemetry writes it. */
  ofGroup(buf: Buffer, group: Group): Source {
    const { attributes, end } = group
    return this.#groups.get(buf, attributes, end, () => {
      const resource = findKey(buf, attributes, end, RESOURCE)
      const scope = findKey(buf, attributes, end, SCOPE)
      return {
        resource: isMap(buf, resource) ? this.#withLabels(encodeResource(buf, resource)) : this.none.resource,
        scope: isMap(buf, scope) ? encodeScope(buf, scope) : EMPTY_PART,
      }
    })
  }

  /** Returns those of the maps in metadata, or -1, at these offsets. */
  ofMaps(buf: Buffer, resource: number, scope: number): Source {
    const parts: Source = { ...this.none }
    if (isMap(buf, resource))
      parts.resource = this.#given.get(buf, resource, skip(buf, resource, buf.length), () => ({
        ...this.none,
        resource: this.#withLabels(encodeAttributes(buf, resource)),
      })).resource
    if (isMap(buf, scope)) parts.scope = encodeScope(buf, scope)
    return parts
  }

  /** Returns those of a pod, from the map of the filter kubernetes at `map` and the one of its namespace, or -1, which ends at `end`. */
  ofPod(buf: Buffer, map: number, namespace: number, end: number): Source {
    // The two maps are added side by side.
    const start = namespace < 0 ? map : Math.min(map, namespace)
    return this.#pods.get(buf, start, end, () => ({
      ...this.none,
      resource: {
        message: encodeTextAttributes([
          ...kubernetesAttributes(buf, map, skip(buf, map, buf.length), namespace),
          ...this.#labels,
        ]),
        schemaUrl: NO_SCHEMA,
      },
    }))
  }

  #withLabels(part: EncodedPart): EncodedPart {
    if (this.#added.length === 0) return part
    return { ...part, message: Buffer.concat([part.message, this.#added]) }
  }
}

function isMap(buf: Buffer, at: number): boolean {
  return at >= 0 && mapPairs(buf, at) >= 0
}
