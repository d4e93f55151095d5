import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Pod, type PodFields, parseNamespace, parsePod, type StringMap } from './pod.ts'

/** Kube_Meta_Preload_Cache_Dir: objects of the API in files. Undefined when there is none that can be used. */
export function readPreloadedPod(
  folder: string,
  namespace: string,
  name: string,
  keep: PodFields,
): Pod | undefined {
  const object = readJson(join(folder, `${namespace}_${name}.meta`))
  return parsePod(withDefaults(object, namespace, name), keep)
}

export function readPreloadedNamespace(
  folder: string,
  name: string,
): { labels: StringMap; annotations: StringMap } | undefined {
  const object = readJson(join(folder, `${name}.namespace_meta`))
  return object === undefined ? undefined : parseNamespace(object)
}

/** Such files are often cut down to what a test needs. */
function withDefaults(object: unknown, namespace: string, name: string): unknown {
  if (typeof object !== 'object' || object === null) return undefined
  const { metadata } = object as { metadata?: object }
  return { ...object, metadata: { uid: `${namespace}/${name}`, namespace, name, ...metadata } }
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}
