import { compileTagPatterns } from '../../lib/tags/tag-pattern.ts'
import type { TreeStep } from '../config-tree.ts'
import { type Element, textOf, typeOf } from './element.ts'
import { ROOT_LABEL, type Translation } from './translation.ts'

const FORWARD = ['forward', 'secure_forward']
/** What may follow the prefix in the tag of a log file of a pod. */
const SOME_FILE = 'pod_namespace_container-0.log'

/**
 * Warns of a source forward whose senders may use the tags that a kubernetes_metadata filter behind it takes for pods: the input
 * refuses these tags, as anybody who can connect could forge the records of a pod. fluentd accepts them. The patterns must be valid.
 */
export function warnOfReservedTags(source: Element, translation: Translation): void {
  if (!FORWARD.includes(typeOf(source)?.value ?? '')) return
  if (textOf(source, 'tag') !== undefined || textOf(source, 'tag_reserved') !== undefined) return
  const given = textOf(source, '@label') ?? ROOT_LABEL
  const tagPrefix = textOf(source, 'add_tag_prefix')
  const reserved = reservedPrefix(given === ROOT_LABEL ? '' : given, translation.labels, new Set())
  if (reserved === undefined || (tagPrefix !== undefined && !mayBegin(`${tagPrefix}.`, reserved))) return
  const message = `[forward] senders may not use tags that begin with ${reserved}, which the kubernetes_metadata filter takes for pods: their connections are closed; if all senders are agents of your own, add "tag_reserved off" to this source (fluentd passes over it)`
  translation.warn(message, source.location)
}

/** True when a tag may begin with both. */
function mayBegin(one: string, other: string): boolean {
  return one.startsWith(other) || other.startsWith(one)
}

/** Returns the prefix of the tags that a filter takes for pods which records reach from the first step of a label. */
function reservedPrefix(
  label: string,
  labels: ReadonlyMap<string, readonly TreeStep[]>,
  seen: Set<string>,
): string | undefined {
  if (seen.has(label)) return undefined
  seen.add(label)
  for (const { patterns, filter, targets = [] } of labels.get(label) ?? []) {
    const prefix = filter?.properties.find(({ key }) => key === 'Kube_Tag_Prefix')?.value
    if (prefix !== undefined && mayMatch(patterns, prefix)) return prefix
    for (const target of targets) {
      const found = 'label' in target ? reservedPrefix(target.label, labels, seen) : undefined
      if (found !== undefined) return found
    }
  }
  return undefined
}

/** True when a pattern matches a tag with the prefix, as far as that is known. */
function mayMatch(patterns: readonly string[], prefix: string): boolean {
  return (
    compileTagPatterns(patterns).test(prefix + SOME_FILE) ||
    patterns.some((pattern) => pattern.startsWith(prefix))
  )
}
