import { type FindPath, wayOf } from '../agent/route-path.ts'
import { isRouted, type Way } from '../agent/way.ts'
import type { InputPlan, Plan } from '../core/plan.ts'

/** Returns the ways of a tag, each as the names of its stages in order; outputs are the last part, or `nowhere`. */
export function routeLines(
  plan: Plan,
  find: FindPath,
  input: InputPlan,
  tag: string,
  nowhere: string,
): string[][] {
  const way = wayOf(plan, find, input, tag)
  const lines = linesOf(way)
  return isRouted(way) ? lines : [[...way.filters, nowhere], ...lines]
}

function linesOf({ title, filters, outputs, parts }: Way): string[][] {
  const head = title === undefined ? filters : [title, ...filters]
  const ways = outputs.length > 0 ? [[outputs.join(', ')]] : []
  for (const part of parts) if (part.isSide !== true) ways.push(...linesOf(part))
  const own = ways.map((way) => [...head, ...way])
  return [...own, ...parts.flatMap((part) => (part.isSide === true ? sideLinesOf(part) : []))]
}

/** Records that leave a way have passed other stages before, which are in its line. */
function sideLinesOf(way: Way): string[][] {
  const lines = linesOf(way)
  return lines.length > 0 ? lines : [[way.title ?? '', ...way.filters, 'discarded']]
}
