import { parsePod } from '../pods/pod.ts'
import type { KubeClient, ObjectHandler } from './client.ts'

const NO_FIELDS = { labels: false, annotations: false, owners: false, loggingAnnotations: false }

/**
 * The name of this node, from the pods that its kubelet runs; undefined when it has none of any node. `/pods` and not
 * `/stats/summary` or `/configz`, although they are shorter: it is the one that Use_Kubelet needs the right for, too.
 */
export async function fetchNodeName(kubelet: KubeClient, signal: AbortSignal): Promise<string | undefined> {
  let node: string | undefined
  const found: ObjectHandler = {
    onObject: (value, depth) => {
      if (depth === 2) node ??= parsePod(value, NO_FIELDS)?.node
    },
    onOversize() {},
  }
  await kubelet.read('/pods', { minDepth: 2, maxDepth: 2 }, found, { signal })
  return node
}
