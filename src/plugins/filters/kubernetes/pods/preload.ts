import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Keep, namespaceOfObject, type Pod, podOfObject, type Texts } from './pod.ts'

/** Kube_Meta_Preload_Cache_Dir: objects of the API in files. Undefined when there is none that can be used. */
export function preloadedPod(folder: string, namespace: string, name: string, keep: Keep): Pod | undefined {
  const object = read(join(folder, `${namespace}_${name}.meta`))
  return podOfObject(withDefaults(object, namespace, name), keep)
}

export function preloadedNamespace(
  folder: string,
  name: string,
): { labels: Texts; annotations: Texts } | undefined {
  const object = read(join(folder, `${name}.namespace_meta`))
  return object === undefined ? undefined : namespaceOfObject(object)
}

/** Such files are often cut down to what a test needs. */
function withDefaults(object: unknown, namespace: string, name: string): unknown {
  if (typeof object !== 'object' || object === null) return undefined
  const { metadata } = object as { metadata?: object }
  return { ...object, metadata: { uid: `${namespace}/${name}`, namespace, name, ...metadata } }
}

function read(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return undefined
  }
}
