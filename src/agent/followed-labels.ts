import { ERROR_LABEL, type FilterPlan, type OrderedRouting, ROOT, ROOT_LABEL } from '../core/plan.ts'
import { compileTagPatterns } from '../lib/tags/tag-pattern.ts'

/** Returns the names of the outputs that records with a tag reach from the first step of a label; `*` stands for any text. */
export function followLabels(routing: OrderedRouting, label: string, tag: string): ReadonlySet<string> {
  const names = new Set<string>()
  follow(routing, label, tag, names, new Set())
  return names
}

/** Adds the names of the outputs that records reach from the first step of a label. */
function follow(
  { labels }: OrderedRouting,
  label: string,
  tag: string,
  names: Set<string>,
  seen: Set<string>,
): void {
  if (seen.has(label)) return
  seen.add(label)
  const isPattern = tag.includes('*')
  for (const { patterns, filter, targets } of labels.get(label) ?? []) {
    if (!isPattern && !compileTagPatterns(patterns).test(tag)) continue
    for (const { label: side } of filter === undefined ? [] : sideLabelsOf(filter, labels))
      follow({ labels }, side, tag, names, seen)
    if (targets === undefined) continue
    for (const target of targets) {
      if ('output' in target) names.add(target.output.name)
      else follow({ labels }, target.label === ROOT_LABEL ? ROOT : target.label, tag, names, seen)
    }
    if (!isPattern) return
  }
}

/** Returns the labels to which a filter sends some of its records, and says which. */
export function sideLabelsOf(
  { spec, options }: FilterPlan,
  labels: OrderedRouting['labels'],
): { label: string; records: string }[] {
  const { timeoutLabel } = options as { timeoutLabel?: unknown }
  if (typeof timeoutLabel === 'string') return [{ label: timeoutLabel, records: 'records that have waited' }]
  const records = labels.has(ERROR_LABEL) ? spec.errorRecords?.(options as never) : undefined
  return records === undefined ? [] : [{ label: ERROR_LABEL, records }]
}
