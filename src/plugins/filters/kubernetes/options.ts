import { checkHost } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { KUBE_API_OPTIONS, KUBE_TLS_OPTIONS } from '../../../lib/kubernetes/options.ts'

const DNS = 'requests are retried without limit, with increasing backoff'
const AWS = 'AWS entities are not looked up'

/** Options with fluent-bit's names and defaults; the help states where a default differs. */
export const KUBERNETES_OPTIONS = defineOptions({
  ...KUBE_API_OPTIONS,
  kube_token_command: {
    type: 'string',
    help: 'Command that prints the token, instead of the file.',
  },
  kube_token_ttl: {
    type: 'time',
    default: '10m',
    help: 'Run Kube_Token_Command again after this time, and after a 401.',
  },
  kube_tag_prefix: {
    type: 'string',
    default: 'kube.var.log.containers.',
    help: 'Prefix of the tag, before the name of the log file. Tags of files under /var/log/pods are recognized too.',
  },
  regex_parser: {
    type: 'string',
    help: 'Parser for the tag after the prefix, with the fields `pod_name` and `namespace_name`, optionally `container_name`, `docker_id` and `pod_id`.',
  },
  kube_node_name: {
    type: 'string',
    help: 'Name of this node, whose pods are listed and watched. Default: NODE_NAME of the environment; without it the name comes from the kubelet (Kubelet_Host, Kubelet_Port), asked once, or else from the first pod that is looked up.',
  },
  kube_meta_wait: {
    type: 'time',
    default: '5',
    help: 'Maximum time that lines wait, in their file and not in memory, for an unknown pod, or an unknown namespace if it is needed. After that, records of an unknown pod get only the fields from the log path and `incomplete: true`.',
  },
  kube_snapshot: {
    type: 'string',
    help: 'Cache file with the known pods and namespaces, for a restart while the API is unreachable. Default: next to the first database of an input, without one in the folder of the buffer on disk. `off`: no file.',
  },
  buffer_size: {
    type: 'size',
    default: '4M',
    help: 'Maximum size of one API object in JSON: a larger pod is skipped, logged once and counted. 0: 64M. fluent-bit’s default, 32k for a complete response, is too small for many pods.',
  },
  kube_meta_cache_ttl: {
    type: 'time',
    default: '0',
    help: 'Request a pod again after this time, if no watch is possible; 0: never. A watch is always up to date.',
  },
  kube_meta_namespace_cache_ttl: {
    type: 'time',
    default: '15m',
    help: 'Request a namespace again after this time; 0: never.',
  },
  kube_meta_preload_cache_dir: {
    type: 'string',
    help: 'Directory with API objects as JSON, `NAMESPACE_POD.meta` and `NAMESPACE.namespace_meta`, which are used first.',
  },
  cache_use_docker_id: {
    type: 'bool',
    default: 'false',
    help: 'Include the container id in the cache key.',
    ignored: 'pods are identified by uid and container ids',
  },
  merge_log: {
    type: 'bool',
    default: 'false',
    help: 'Parse `log` as a JSON object and add its fields to the record. In records of the cri parser, which have `logtag` and no `log`, the field is `message`.',
  },
  merge_log_key: { type: 'string', help: 'Add the merged fields under this key.' },
  merge_log_trim: { type: 'bool', default: 'true', help: 'Remove line ends at the end of merged values.' },
  merge_parser: { type: 'string', help: 'Parser for `log` instead of JSON.' },
  keep_log: {
    type: 'bool',
    default: 'true',
    help: 'False: remove `log` once its fields are merged.',
  },
  labels: { type: 'bool', default: 'true', help: 'Add the labels of the pod.' },
  annotations: { type: 'bool', default: 'true', help: 'Add the annotations of the pod.' },
  owner_references: { type: 'bool', default: 'false', help: 'Add the owner references of the pod.' },
  namespace_labels: {
    type: 'bool',
    default: 'false',
    help: 'Add the labels of the namespace, under `kubernetes_namespace`.',
  },
  namespace_annotations: { type: 'bool', default: 'false', help: 'Add the annotations of the namespace.' },
  namespace_metadata_only: {
    type: 'bool',
    default: 'false',
    help: 'Add only the namespace metadata, not `kubernetes`.',
  },
  'k8s-logging.parser': {
    type: 'bool',
    default: 'false',
    help: 'Parse `log` with the parser named by the pod’s annotation `fluentbit.io/parser[_stdout|_stderr][-CONTAINER]`, regardless of Merge_Log.',
  },
  'k8s-logging.exclude': {
    type: 'bool',
    default: 'false',
    help: 'Drop records excluded by the pod’s annotation `fluentbit.io/exclude[_stdout|_stderr][-CONTAINER]`.',
  },
  use_journal: {
    type: 'bool',
    default: 'false',
    help: 'Identify the container by the field CONTAINER_NAME of each record, and use MESSAGE as `log`.',
  },
  use_tag_for_meta: {
    type: 'bool',
    default: 'false',
    help: 'Add only the fields from the tag; no API requests.',
  },
  use_kubelet: {
    type: 'bool',
    default: 'false',
    help: 'Request pods from the kubelet of this node instead of the API server.',
  },
  kubelet_host: {
    type: 'string',
    default: '127.0.0.1',
    check: checkHost,
    help: 'Host of the kubelet; in a pod without host network, use the address of the node.',
  },
  kubelet_port: { type: 'int', default: '10250', min: 1, max: 65535, help: 'Port of the kubelet.' },
  dummy_meta: {
    type: 'bool',
    default: 'off',
    help: 'For tests: add `kubernetes: {dummy: TIME}`; no API requests.',
  },
  ...KUBE_TLS_OPTIONS,
  dns_retries: {
    type: 'int',
    default: '6',
    help: 'Attempts to resolve the name of the API server.',
    ignored: DNS,
  },
  dns_wait_time: { type: 'time', default: '30', help: 'Time between attempts.', ignored: DNS },
  set_platform: { type: 'string', help: 'Platform, instead of detecting it.', ignored: AWS },
  aws_use_pod_association: {
    type: 'bool',
    default: 'false',
    aliases: ['use_pod_association'],
    help: 'Add the AWS entity that a pod belongs to.',
    ignored: AWS,
  },
})

export type KubernetesOptions = OptionsOf<typeof KUBERNETES_OPTIONS>
