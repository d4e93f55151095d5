import type { KubeClient, ObjectHandler } from '../../../../lib/kubernetes/client.ts'
import { parsePod } from '../pods/pod.ts'
import { MAX_PODS } from '../pods/pod-cache.ts'

const NO_FIELDS = { labels: false, annotations: false, owners: false, loggingAnnotations: false }

/**
 * Asks the kubelet for its pods and returns the node name they carry; undefined when no pod has one. Uses `/pods` and
 * not the shorter `/stats/summary` or `/configz`, because Use_Kubelet needs access to `/pods` anyway.
 */
export async function fetchNodeName(kubelet: KubeClient, signal: AbortSignal): Promise<string | undefined> {
  let node: string | undefined
  const handler: ObjectHandler = {
    onObject: (value, depth) => {
      if (depth === 2) node ??= parsePod(value, NO_FIELDS)?.node
    },
    onOversize() {},
  }
  await kubelet.read('/pods', { minDepth: 2, maxDepth: 2 }, handler, { signal, maxObjects: MAX_PODS })
  return node
}
