import { type OrderedRouting, type Plan, ROOT, ROOT_LABEL } from '../core/plan.ts'
import { compileTagPatterns } from '../lib/tags/tag-pattern.ts'
import { sideLabelsOf } from './followed-labels.ts'
import type { Way } from './way.ts'

/**
 * Returns the ways of records with this tag that some of the filters send to labels: those on which a filter fails, and those that
 * have waited for others. There is one for each label.
 */
export function sideWays({ routing, filters }: Plan, names: readonly string[], tag: string): Way[] {
  if (routing === undefined) return []
  const { labels } = routing
  const byLabel = new Map<string, { sources: string[]; way: Way }>()
  const passed = [...names]
  // The filters of the labels are appended while it is read.
  for (const name of passed) {
    const filter = filters.find((one) => one.name === name)
    for (const { label, records } of filter === undefined ? [] : sideLabelsOf(filter, labels)) {
      const source = `${records} in ${name}`
      const known = byLabel.get(label)
      if (known !== undefined) known.sources.push(source)
      else byLabel.set(label, { sources: [source], way: wayFrom(labels, label, tag, passed, new Set()) })
    }
  }
  return [...byLabel].map(([label, { sources, way }]) => ({
    ...way,
    title: `${sources.join('; ')}: label ${label}`,
    isSide: true,
  }))
}

/** Returns the way of a tag from the first step of a label, and adds the filters on it to `passed`. */
export function wayFrom(
  labels: OrderedRouting['labels'],
  label: string,
  tag: string,
  passed: string[],
  seen: ReadonlySet<string>,
): Way {
  const filters: string[] = []
  const within = new Set([...seen, label])
  for (const { patterns, filter, targets } of labels.get(label) ?? []) {
    if (!compileTagPatterns(patterns).test(tag)) continue
    if (filter !== undefined) {
      filters.push(filter.name)
      if (!passed.includes(filter.name)) passed.push(filter.name)
    }
    if (targets === undefined) continue
    const next = targets
      .flatMap((target) => ('label' in target ? [target.label === ROOT_LABEL ? ROOT : target.label] : []))
      .filter((name) => !within.has(name))
    return {
      filters,
      outputs: targets.flatMap((target) => ('output' in target ? [target.output.name] : [])),
      parts: next.map((name) => wayFrom(labels, name, tag, passed, within)),
    }
  }
  return { filters, outputs: [], parts: [] }
}
