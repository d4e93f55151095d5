import { join } from 'node:path'
import { FsFailure, readRegular } from '../../../../lib/fs/file-system.ts'
import { type Namespace, type Pod, type PodFields, parseNamespace, parsePod } from './pod.ts'

/** Maximum size of a file with an object: twice the limit of an object in etcd. */
const MAX_BYTES = 3_000_000

/** Reads a pod from Kube_Meta_Preload_Cache_Dir, which has API objects as files; undefined without a usable file. */
export function readPreloadedPod(
  directory: string,
  namespace: string,
  name: string,
  fields: PodFields,
): Pod | undefined {
  const object = readJson(join(directory, `${namespace}_${name}.meta`))
  return parsePod(withDefaults(object, namespace, name), fields)
}

/** Reads a namespace from Kube_Meta_Preload_Cache_Dir; undefined without a usable file. */
export function readPreloadedNamespace(directory: string, name: string): Namespace | undefined {
  const object = readJson(join(directory, `${name}.namespace_meta`))
  return object === undefined ? undefined : parseNamespace(object)
}

/** Fills in the uid, namespace and name: such files are often cut down to the fields that a test needs. */
function withDefaults(object: unknown, namespace: string, name: string): unknown {
  if (typeof object !== 'object' || object === null) return undefined
  const { metadata } = object as { metadata?: object }
  return { ...object, metadata: { uid: `${namespace}/${name}`, namespace, name, ...metadata } }
}

function readJson(path: string): unknown {
  const content = readRegular(path, MAX_BYTES)
  if (content instanceof FsFailure) return undefined
  try {
    return JSON.parse(content.toString('utf8'))
  } catch {
    return undefined
  }
}
