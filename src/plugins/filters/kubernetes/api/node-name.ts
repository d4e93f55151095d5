import { podOfObject } from '../pods/pod.ts'
import type { Found, KubeClient } from './client.ts'

const NOTHING = { labels: false, annotations: false, owners: false, suggestions: false }

/**
 * The name of this node, from the pods that its kubelet runs; undefined when it has none of any node. `/pods` and not
 * `/stats/summary` or `/configz`, although they are shorter: it is the one that Use_Kubelet needs the right for, too.
 */
export async function nodeOfKubelet(kubelet: KubeClient, signal: AbortSignal): Promise<string | undefined> {
  let node: string | undefined
  const found: Found = {
    object: (value, depth) => {
      if (depth === 2) node ??= podOfObject(value, NOTHING)?.node
    },
    tooLarge() {},
  }
  await kubelet.read('/pods', { from: 2, to: 2 }, found, { signal })
  return node
}
