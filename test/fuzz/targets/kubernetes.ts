import { ShipperError } from '../../../src/core/error.ts'
import { JsonStream } from '../../../src/lib/kubernetes/json-stream.ts'
import { refFromTag } from '../../../src/plugins/filters/kubernetes/pods/container-ref.ts'
import { parseNamespace, parsePod } from '../../../src/plugins/filters/kubernetes/pods/pod.ts'
import { pieces } from '../random.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const MAX_OBJECT_BYTES = 2000

interface Read {
  objects: string[]
  error: string | undefined
  isComplete: boolean
}

function read(cut: readonly Buffer[], depths: { minDepth: number; maxDepth: number }): Read {
  const made: Read = { objects: [], error: undefined, isComplete: false }
  const stream = new JsonStream({
    ...depths,
    maxObjectBytes: MAX_OBJECT_BYTES,
    onObject: (text, depth) => made.objects.push(`${depth} ${text}`),
    onOversize: (head, bytes) => made.objects.push(`large ${bytes} ${head.slice(0, 100)}`),
  })
  try {
    for (const piece of cut) stream.push(piece)
    made.isComplete = stream.isComplete
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof ShipperError)) throw error
    made.error = kindOf(error)
  }
  return made
}

const POD = JSON.stringify({
  kind: 'Pod',
  metadata: {
    uid: 'u',
    name: 'web-1',
    namespace: 'shop',
    labels: { app: 'web' },
    annotations: { 'fluentbit.io/exclude': 'true' },
    ownerReferences: [{ kind: 'ReplicaSet', name: 'web' }],
  },
  spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i:1' }] },
  status: {
    podIP: '10.0.0.1',
    containerStatuses: [{ name: 'c', containerID: `containerd://${'a'.repeat(64)}`, restartCount: 1 }],
  },
})

export const kubernetes: Target = {
  name: 'kubernetes',
  maxBytes: 10_000,
  dictionary: [
    '{',
    '}',
    '[',
    ']',
    '"',
    '\\"',
    '\\\\',
    ',',
    ':',
    '{"type":"ADDED","object":',
    '"items":[',
    '"metadata":',
    'null',
    '"__proto__":{',
    '\n',
    '1e400',
  ],
  seeds: () => [
    `{"type":"ADDED","object":${POD}}\n{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"5"}}}\n`,
    `{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[${POD},${POD}]}`,
    POD,
    '{"a":"\\"}{\\\\"}',
    `${'{"a":'.repeat(300)}1${'}'.repeat(300)}`,
  ],
  run(input) {
    const kinds = [
      { minDepth: 0, maxDepth: 0 },
      { minDepth: 1, maxDepth: 2 },
    ].map((depths) => {
      const whole = read([Buffer.from(input)], depths)
      const cut = read(pieces(input), depths)
      must(
        (cut.error === undefined) === (whole.error === undefined),
        () => `in pieces ${cut.error}, as a whole ${whole.error}`,
      )
      must(cut.objects.join('\n') === whole.objects.join('\n'), 'other objects in pieces than as a whole')
      const isJson =
        parsed(`[${input.toString().trim()}]`) !== undefined && input.toString().trim().startsWith('{')
      must(!isJson || whole.error !== undefined || whole.isComplete, 'complete JSON counts as cut off')
      for (const object of whole.objects) checkPod(object.slice(2))
      return `${whole.error} ${size(whole.objects.length)} ${whole.isComplete}`
    })
    return kinds.join()
  },
}

function parsed(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) }
  } catch {
    return undefined
  }
}

const FIELDS = { labels: true, annotations: true, owners: true, loggingAnnotations: true }

/** Any object is a pod with names, or none. */
function checkPod(text: string): void {
  const object = parsed(text)
  if (object === undefined) return
  parseNamespace(object.value)
  const pod = parsePod(object.value, FIELDS)
  if (pod === undefined) return
  const names = [pod.uid, pod.name, pod.namespace, ...pod.containers.map(({ name }) => name)]
  must(
    names.every((name) => typeof name === 'string' && name !== ''),
    () => `names ${JSON.stringify(names)}`,
  )
}

/** Tags, of which each may come from a file name or from a sender. */
export const kubernetesTags: Target = {
  name: 'kubernetes-tags',
  maxBytes: 1500,
  dictionary: [
    '_',
    '-',
    '.',
    '.log',
    'kube.var.log.containers.',
    'var.log.pods.',
    '../',
    '\0',
    'a'.repeat(64),
    'a'.repeat(253),
  ],
  seeds: () => [
    `kube.var.log.containers.web-1_shop_c-${'a'.repeat(64)}.log`,
    'kube.var.log.pods.shop_web-1_1234-5678.c.0.log',
    `kube.var.log.containers.${'a'.repeat(250)}_ns_c-${'a'.repeat(64)}.log`,
  ],
  run(input) {
    const ref = refFromTag(input.toString(), 'kube.var.log.containers.')
    if (ref === undefined) return 'none'
    for (const name of [ref.pod, ref.namespace])
      must(name !== '' && !name?.includes('/'), () => `the name ${JSON.stringify(name)}`)
    return `${size(ref.pod.length)} ${size(ref.namespace.length)} ${ref.container === undefined} ${ref.dockerId === undefined}`
  },
}
