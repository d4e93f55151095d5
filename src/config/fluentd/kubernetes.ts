import type { Section } from '../config-tree.ts'
import { boolOf, listOf } from './conversions.ts'
import { attributeOf, type Element } from './element.ts'
import {
  applyRules,
  checkChildren,
  each,
  ignored,
  noted,
  OWN,
  option,
  type Rules,
  refused,
} from './params.ts'
import { set, setFrom, type Translation } from './translation.ts'

const WATCH = noted('pods are watched, and looked up without limit until they are found')

const RULES: Rules = {
  kubernetes_url: OWN,
  ca_file: option('Kube_CA_File'),
  bearer_token_file: option('Kube_Token_File'),
  verify_ssl: option('Tls.Verify', 'bool'),
  secret_dir: OWN,
  skip_labels: OWN,
  skip_pod_labels: OWN,
  annotation_match: OWN,
  skip_namespace_labels: OWN,
  skip_namespace_metadata: noted('metadata of the namespace is added only if it is asked for'),
  skip_container_metadata: ignored('the name and image of the container are always added'),
  skip_master_url: noted('the address of the API server is not added'),
  include_ownerrefs_metadata: option('Owner_References', 'bool'),
  tag_to_kubernetes_name_regexp: refused(
    'tags that end with the name of the log file need none; Regex_Parser of the classic format is for others',
  ),
  ...each(
    [
      'cache_size',
      'cache_ttl',
      'watch',
      'apiVersion',
      'open_timeout',
      'read_timeout',
      'stats_interval',
      'watch_retry_interval',
      'watch_retry_exponential_backoff_base',
      'watch_retry_max_times',
      'ignore_nil',
      'ssl_partial_chain',
      'de_dot',
      'de_dot_separator',
      'de_slash',
      'de_slash_separator',
      'test_api_adapter',
    ],
    WATCH,
  ),
  ...each(
    [
      'use_journal',
      'lookup_from_k8s_field',
      'container_name_to_kubernetes_regexp',
      'merge_json_log',
      'preserve_json_log',
      'include_namespace_id',
      'include_namespace_metadata',
    ],
    ignored('the current version of the plugin does not have it either, or finds it out by the record'),
  ),
  ...each(
    ['allow_orphans', 'orphaned_namespace_name', 'orphaned_namespace_id'],
    noted('a record of an unknown pod keeps its namespace'),
  ),
  client_cert: refused('use a bearer token'),
  client_key: refused('use a bearer token'),
}

const FILE_TAG = 'var.log.containers.'
const API_PATH = /\/api\/?$/
const DEFAULT_TAG = 'kubernetes.*'

/** Translates <filter> @type kubernetes_metadata; the prefix of tags is that of the sources that follow files. */
export function translateKubernetes(filter: Element, translation: Translation): Section[] {
  const { location } = filter
  const section = translation.section('FILTER', 'kubernetes', filter)
  applyRules(filter, RULES, section, 'kubernetes_metadata', translation)
  checkChildren(filter, [], 'kubernetes_metadata', translation)
  const prefixes = new Set(translation.tailTags.map((tag) => tag.slice(0, tag.indexOf('*'))))
  const [prefix = DEFAULT_TAG.slice(0, -1), ...others] = prefixes
  set(section, 'Kube_Tag_Prefix', `${prefix}${FILE_TAG}`, location)
  if (others.length > 0)
    translation.warn(
      `[kubernetes_metadata] tags must begin with ${prefix}${FILE_TAG}: records of the other sources get no metadata`,
      location,
    )
  const url = attributeOf(filter, 'kubernetes_url')
  if (url?.value !== undefined) setFrom(section, 'Kube_URL', url, url.value.replace(API_PATH, ''))
  const directory = attributeOf(filter, 'secret_dir')
  if (directory?.value !== undefined) {
    setFrom(section, 'Kube_CA_File', directory, `${directory.value}/ca.crt`)
    setFrom(section, 'Kube_Token_File', directory, `${directory.value}/token`)
  }
  const labels = attributeOf(filter, 'skip_labels') ?? attributeOf(filter, 'skip_pod_labels')
  if (labels !== undefined && boolOf(labels, translation) === true) setFrom(section, 'Labels', labels, 'off')
  setAnnotations(section, filter, translation)
  translation.note(
    '[kubernetes_metadata] the record has kubernetes.docker_id and not docker.container_id, and neither master_url nor namespace_labels nor namespace_id',
    location,
  )
  return [section]
}

/** Without annotation_match fluentd adds no annotations. */
function setAnnotations(section: Section, filter: Element, translation: Translation): void {
  const match = attributeOf(filter, 'annotation_match')
  if (match === undefined || listOf(match, translation).length === 0) {
    set(section, 'Annotations', 'off', match?.location ?? filter.location)
    return
  }
  const message = '[kubernetes_metadata] all annotations are added, not those of annotation_match only'
  translation.warn(message, match.location)
}
