import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'

const TOKEN_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'
const DNS = 'the API is tried again, at growing intervals, for as long as it takes'
const AWS = 'entities of AWS are not looked up'

/** The names and defaults are fluent-bit's; where a default differs the help says so. */
export const KUBERNETES_OPTIONS = defineOptions({
  kube_url: {
    type: 'string',
    default: 'https://kubernetes.default.svc:443',
    help: 'Address of the API server.',
  },
  kube_ca_file: {
    type: 'string',
    default: `${TOKEN_FOLDER}/ca.crt`,
    help: 'Certificates of the authorities that the API server is trusted by.',
  },
  kube_ca_path: { type: 'string', help: 'Folder with more of them: `*.crt` and `*.pem`.' },
  kube_token_file: {
    type: 'string',
    default: `${TOKEN_FOLDER}/token`,
    help: 'File with the bearer token; read again when it changes, and at once when the API answers 401.',
  },
  kube_token_command: {
    type: 'string',
    help: 'Command whose standard output is the token, instead of the file.',
  },
  kube_token_ttl: {
    type: 'time',
    default: '10m',
    help: 'Run Kube_Token_Command again after this time, and at once when the API answers 401.',
  },
  kube_tag_prefix: {
    type: 'string',
    default: 'kube.var.log.containers.',
    help: 'Begin of the tag, before the name of the log file. Tags of files under /var/log/pods are understood too.',
  },
  regex_parser: {
    type: 'string',
    help: 'Parser for the rest of the tag, with the fields `pod_name` and `namespace_name`, and `container_name`, `docker_id`, `pod_id` if it can.',
  },
  kube_node_name: {
    type: 'string',
    help: 'Name of this node, whose pods are listed and watched. Default: NODE_NAME of the environment; without it the kubelet is asked once (Kubelet_Host, Kubelet_Port), and when it does not answer, it is the node of the first pod that is looked up.',
  },
  kube_meta_wait: {
    type: 'time',
    default: '5',
    help: 'Longest that the lines of a pod that is not known yet, or whose namespace is wanted and not known, wait: in their file and not in memory. After it they go with what their path tells, and `incomplete: true`.',
  },
  kube_snapshot: {
    type: 'string',
    help: 'File in which the known pods and namespaces are kept, for a restart while the API is away. Default: beside the database of the first tail input that has one. `off`: none.',
  },
  buffer_size: {
    type: 'size',
    default: '4M',
    help: 'Largest object of the API in bytes, in JSON: a larger pod is passed over, said once and counted. 0: no limit. fluent-bit’s default, 32k for a whole answer, is too small for many pods.',
  },
  kube_meta_cache_ttl: {
    type: 'time',
    default: '0',
    help: 'Ask again for a pod after this time, where pods are asked for one by one; 0: never. A watch is always current.',
  },
  kube_meta_namespace_cache_ttl: {
    type: 'time',
    default: '15m',
    help: 'Ask again for a namespace after this time; 0: never.',
  },
  kube_meta_preload_cache_dir: {
    type: 'string',
    help: 'Folder with `NAMESPACE_POD.meta` and `NAMESPACE.namespace_meta`, objects of the API as JSON, to be used first.',
  },
  cache_use_docker_id: {
    type: 'bool',
    default: 'false',
    help: 'Let the id of the container be part of the key of what is known.',
    ignored: 'pods are told apart by their uid and the ids of their containers',
  },
  merge_log: {
    type: 'bool',
    default: 'false',
    help: 'Read `log` as a JSON object and put its fields into the record. Of records of the parser cri, which have `logtag` and no `log`, it is `message`.',
  },
  merge_log_key: { type: 'string', help: 'Put them under this key.' },
  merge_log_trim: { type: 'bool', default: 'true', help: 'Take line ends off the end of their values.' },
  merge_parser: { type: 'string', help: 'Parser for `log` instead of JSON.' },
  keep_log: {
    type: 'bool',
    default: 'true',
    help: 'False: `log` is left out when its fields are in the record.',
  },
  labels: { type: 'bool', default: 'true', help: 'Add the labels of the pod.' },
  annotations: { type: 'bool', default: 'true', help: 'Add the annotations of the pod.' },
  owner_references: { type: 'bool', default: 'false', help: 'Add the owners of the pod.' },
  namespace_labels: {
    type: 'bool',
    default: 'false',
    help: 'Add the labels of the namespace, under `kubernetes_namespace`.',
  },
  namespace_annotations: { type: 'bool', default: 'false', help: 'Add the annotations of the namespace.' },
  namespace_metadata_only: { type: 'bool', default: 'false', help: 'Add nothing but those.' },
  'k8s-logging.parser': {
    type: 'bool',
    default: 'false',
    help: 'Read `log` with the parser that the pod’s annotation `fluentbit.io/parser[_stdout|_stderr][-CONTAINER]` names, whatever Merge_Log says.',
  },
  'k8s-logging.exclude': {
    type: 'bool',
    default: 'false',
    help: 'Leave out what the pod’s annotation `fluentbit.io/exclude[_stdout|_stderr][-CONTAINER]` excludes.',
  },
  use_journal: {
    type: 'bool',
    default: 'false',
    help: 'Take the container from the field CONTAINER_NAME of each record, and MESSAGE for `log`.',
  },
  use_tag_for_meta: { type: 'bool', default: 'false', help: 'Add what the tag tells and ask no API.' },
  use_kubelet: {
    type: 'bool',
    default: 'false',
    help: 'Ask the kubelet of this node instead of the API server.',
  },
  kubelet_host: {
    type: 'string',
    default: '127.0.0.1',
    help: 'Host of the kubelet: in a pod, without the network of its node, it is the address of the node.',
  },
  kubelet_port: { type: 'int', default: '10250', min: 1, max: 65535, help: 'Port of the kubelet.' },
  dummy_meta: {
    type: 'bool',
    default: 'off',
    help: 'Add `kubernetes: {dummy: TIME}` and ask no API: for tests.',
  },
  'tls.verify': { type: 'bool', default: 'on', help: 'Check the certificate of the API server or kubelet.' },
  'tls.verify_hostname': {
    type: 'bool',
    default: 'on',
    help: 'Check that it is for the host that was asked. fluent-bit’s default is off.',
  },
  'tls.vhost': { type: 'string', help: 'Name to ask for and to check, instead of the host’s.' },
  'tls.debug': { type: 'int', default: '0', help: 'Messages of TLS.', ignored: 'errors say what is wrong' },
  dns_retries: { type: 'int', default: '6', help: 'Attempts to resolve the API server.', ignored: DNS },
  dns_wait_time: { type: 'time', default: '30', help: 'Time between them.', ignored: DNS },
  set_platform: { type: 'string', help: 'Platform that is not to be detected.', ignored: AWS },
  aws_use_pod_association: {
    type: 'bool',
    default: 'false',
    aliases: ['use_pod_association'],
    help: 'Add the entity of AWS that a pod belongs to.',
    ignored: AWS,
  },
})

export type KubernetesOptions = OptionsOf<typeof KUBERNETES_OPTIONS>
