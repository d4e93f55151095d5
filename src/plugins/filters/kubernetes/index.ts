import { defineFilter } from '../../../core/plugin.ts'
import { Kubernetes } from './kubernetes.ts'
import { KUBERNETES_OPTIONS } from './options.ts'

export const spec = defineFilter({
  kind: 'filter',
  name: 'kubernetes',
  summary: 'Adds the metadata of the pod to the records of a container.',
  description: `Records get \`kubernetes\`: pod_name, namespace_name, pod_id, labels, annotations, host, pod_ip, container_name, docker_id,
container_hash, container_image, ownerReferences (when asked for), in this order and without what is not known; with
Namespace_Labels or Namespace_Annotations also \`kubernetes_namespace\`. Of a key that a record has twice, the last one
stays, in \`log\` also in maps within.

**Where it comes from.** One list and one watch of the pods of this node. They need \`get\`, \`list\` and \`watch\` on pods, and
\`get\` on namespaces for their metadata. Where \`list\` or \`watch\` are forbidden, pods are asked for one by one. A pod that
was deleted stays known for five minutes, and for as long as lines of it come, and what is known is kept in a file for
restarts while the API is away (Kube_Snapshot).

**Which node.** NODE_NAME of the environment, or Kube_Node_Name. Without them the kubelet is asked once at the start for
its pods, which needs \`get\` on nodes/proxy (or nodes/pods) and a certificate that Kube_CA_File vouches for; where it
refuses, is not reached or is slow, pods are asked for one by one until the first of them tells its node.

**A pod that is not known** yet holds back its lines for Kube_Meta_Wait, in their file. What can still not be known has
what the path tells (pod_name, namespace_name, container_name, docker_id; pod_id and restart_count where the log is under
/var/log/pods) and \`incomplete: true\`: there is always a \`kubernetes\` map.

**Names of logs.** \`/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log\` and
\`/var/log/pods/NAMESPACE_POD_UID/CONTAINER/N.log\`. A uid decides which pod it is, so that the next pod of a StatefulSet,
under the same name, is another one.

**Annotations of pods.** \`fluentbit.io/parser\` and \`fluentbit.io/exclude\`, each also with \`_stdout\` or \`_stderr\` and then
\`-CONTAINER\`; the one that says most counts. The stream is the field \`stream\` of the record. A parser is one of a
[PARSER] section, a format that needs no options (json, logfmt, ltsv), or one of conf/parsers.conf (nginx, apache2), which
need no Parsers_File; one that is not there is said once for each pod, and the lines stay as they are.`,
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
    records_incomplete: 'records with nothing but what their path tells',
    records_excluded: 'records left out by an annotation of their pod',
    pods_unknown: 'containers whose pod was not known after Kube_Meta_Wait',
    namespaces_unknown: 'containers whose namespace was wanted and not known after Kube_Meta_Wait',
    pods_oversize: 'objects of pods larger than Buffer_Size',
    parsers_unknown: 'annotations that name no parser',
    lists: 'lists of the pods of this node',
    watches: 'watches that were opened',
    watch_expired: 'watches whose version was forgotten by the API',
    lookups: 'questions for single pods, for the kubelet’s pods, and for namespaces',
    api_requests: 'requests in all',
    api_errors: 'requests that failed',
  },
  create: (options, ctx) => new Kubernetes(options, ctx),
})
