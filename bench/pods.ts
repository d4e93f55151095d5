import { dirname } from 'node:path'
import { KubeApi } from '../test/support/kubernetes/api-server.ts'
import { dockerId, logName, type PodObject, podOf } from '../test/support/kubernetes/pods.ts'
import { type Dataset, datasetOfFiles } from './data.ts'

export const NODE = 'bench-node-1'
/** Characters of a path that become one dot in a tag. */
const DOTS = /[./]+/g
const TEAMS = ['checkout', 'search', 'payments', 'catalog']

/** Returns pod number `i`, the same in every run, with as many labels and annotations as a chart sets. */
function pod(i: number, annotations: Record<string, string> = {}): PodObject {
  const team = TEAMS[i % TEAMS.length] as string
  const name = `${team}-api-7d9c5b8f${String(i).padStart(2, '0')}-x${String(i).padStart(4, '0')}`
  return podOf({
    name,
    namespace: team,
    node: NODE,
    uid: `5b1c7a52-9d2e-4f6b-8a13-${String(i).padStart(12, '0')}`,
    dockerId: dockerId(i),
    ip: `10.42.${i >> 8}.${i & 255}`,
    labels: {
      'app.kubernetes.io/name': `${team}-api`,
      'app.kubernetes.io/managed-by': 'Helm',
      'app.kubernetes.io/version': '3.14.2',
      'pod-template-hash': '7d9c5b8f00',
      team,
    },
    annotations: {
      'checksum/config': '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': '9090',
      ...annotations,
    },
  })
}

/** Returns the logs of a node: for each pod one file of CRI lines whose text is a JSON object, or one of nginx. */
export function datasetOfPods(pods: number, lines: number, shape: 'kube' | 'kube-nginx' = 'kube'): Dataset {
  return datasetOfFiles(pods, Math.floor(lines / pods), shape, (i) => logName(pod(i)))
}

/** Starts the API server of a node with `pods` pods that have these annotations, too, in this process; `down` stops it. */
export async function apiOfPods(pods: number, annotations?: Record<string, string>): Promise<KubeApi> {
  const api = await KubeApi.start()
  for (let i = 0; i < pods; i++) api.create(pod(i, annotations))
  return api
}

/** Returns the arguments of the filter for the logs of `data`, otherwise configured as in a DaemonSet, with `own` properties of an agent. */
export function kubernetesFilter(api: KubeApi, data: Dataset, own: string[]): string[] {
  const properties = [
    `kube_url=${api.url}`,
    `kube_tag_prefix=kube${dirname(data.path).replace(DOTS, '.')}.`,
    'merge_log=on',
    'keep_log=off',
    'k8s-logging.parser=on',
    ...own,
  ]
  return ['-F', 'kubernetes', '-m', 'kube.*', ...properties.flatMap((property) => ['-p', property])]
}
