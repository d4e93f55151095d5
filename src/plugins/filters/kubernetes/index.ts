import { defineFilter } from '../../../core/plugin.ts'
import { regexCounter } from '../../../lib/regex/counters.ts'
import { pathCounters } from '../../../lib/wasm/fast-path.ts'
import { Kubernetes } from './kubernetes.ts'
import { KUBERNETES_OPTIONS } from './options.ts'

export const spec = defineFilter({
  kind: 'filter',
  name: 'kubernetes',
  summary: 'Adds pod metadata to the records of containers.',
  description: `Records get a map \`kubernetes\` with pod_name, namespace_name, pod_id, labels, annotations, host, pod_ip, container_name,
docker_id, container_hash, container_image and ownerReferences (if enabled), in this order; unknown fields are omitted. With
Namespace_Labels or Namespace_Annotations they also get \`kubernetes_namespace\`. Of duplicate keys in a record the last one is
kept, in \`log\` also in nested maps.

**Source.** One list and one watch of the pods of this node. They need \`get\`, \`list\` and \`watch\` on pods, and \`get\` on
namespaces for namespace metadata. If \`list\` or \`watch\` is forbidden, the filter falls back to one API request per pod. A
deleted pod stays known for as long as its lines are read: for a day, with its lines unread because an output is away; of more than some
2,000 deleted pods for at least five minutes. Known pods are stored in a cache file (Kube_Snapshot), which serves restarts while the API
is unreachable.

**Node name.** NODE_NAME of the environment, or Kube_Node_Name. Without them the filter asks the kubelet once at start for its
pods, which needs \`get\` on nodes/proxy (or nodes/pods) and a kubelet certificate signed by Kube_CA_File. While the kubelet
refuses, is unreachable or is slow, the filter makes one API request per pod, and takes the node name from the first pod found.
If no log of this machine belongs to a pod of that node, the filter asks for the pod of one of them, and takes its node.

**Unknown pods.** The lines of a pod that is not known yet wait in their file for up to Kube_Meta_Wait. After that, records
get only the fields from the log path (pod_name, namespace_name, container_name, docker_id; for logs under /var/log/pods also
pod_id and restart_count) and \`incomplete: true\`: there is always a \`kubernetes\` map.

**Log names.** \`/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log\` and \`/var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log\`. For
files that this agent reads, the path under /var/log/pods, also as the target of a link, comes before the tag: the kubelet cuts
names in /var/log/containers to 251 characters, and a tag may be shared by several logs. If the uid is known, it alone
identifies the pod, so the next pod of a StatefulSet, which has the same name, is a different pod. With the tag alone (forward
input), a cut name is completed from the containers of its pod, if namespace and pod are whole.

**Limits.** Labels and annotations of a record: 16 KB and 256 entries each; larger ones are left out and counted. Waits that the
server asks for: 60 s. Pods: 5,000 and 16 MB in memory. One response: 5,000 objects, 512 MB, 120 s (a watch: its timeout and 30 s),
on average 8 MB/s and a quarter of a core. One object: Buffer_Size, 100 levels, 100,000 values.

**Pod annotations.** \`fluentbit.io/parser\` and \`fluentbit.io/exclude\`, each optionally followed by \`_stdout\` or \`_stderr\` and
then by \`-CONTAINER\`; the most specific annotation wins. The stream is the field \`stream\` of the record. A parser is one of a
[PARSER] section, a format that needs no options (json, logfmt, ltsv), or one of conf/parsers.conf (nginx, apache2), for which
no Parsers_File is needed. A parser that does not exist is logged once per pod, and the lines stay unparsed.`,
  trial: {
    asks: ({ useTagForMeta, dummyMeta }) => (useTagForMeta || dummyMeta ? undefined : 'pod metadata'),
    create: (options, ctx, given) => new Kubernetes(options, ctx, { given }),
  },
  options: KUBERNETES_OPTIONS,
  example: `[FILTER]
    Name                kubernetes
    Match               kube.*
    Merge_Log           On
    Keep_Log            Off
    K8S-Logging.Parser  On
    K8S-Logging.Exclude On
`,
  counters: {
    ...regexCounter('parser', 'tag'),
    ...pathCounters('enriched', 'small', 'options', 'form', 'keys', 'size', 'parser', 'mixed'),
    records_incomplete: 'records with only the fields from the log path',
    records_excluded: 'records dropped by an annotation of their pod',
    pods_unknown: 'containers whose pod was still unknown after Kube_Meta_Wait',
    namespaces_unknown: 'containers whose namespace was required and still unknown after Kube_Meta_Wait',
    pods_oversize: 'pod objects larger than Buffer_Size',
    pods_truncated:
      'pods whose labels or annotations are too large to be added to records; at most 1,000 are counted',
    parsers_unknown: 'annotations that name a parser that does not exist',
    lists: 'lists of the pods of this node that were requested',
    watches: 'watches that were requested',
    watch_expired: 'lists and watches answered with 410, because their resourceVersion had expired',
    lookups: 'requests for single pods, for the pods of the kubelet, and for namespaces',
    lookups_delayed: 'times that lookups of pods waited, because many had found none: at most ten a second',
    lookups_left_out: 'requests for a lookup that was not queued because 1,000 wait',
    api_requests: 'all requests to the API server and the kubelet',
    api_errors: 'requests that failed; 404 and 410 do not count',
  },
  // The first part of the prefix, as tags of files under /var/log/pods have only that.
  identityTags: ({ kubeTagPrefix }) => `${kubeTagPrefix.split('.', 1)[0]}.*`,
  keepsPlaces: () => true,
  create: (options, ctx) => new Kubernetes(options, ctx),
})
