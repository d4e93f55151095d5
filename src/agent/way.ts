/** The way of records through the stages, by their names: filters in order, then outputs and ways of copies or parts. */
export interface Way {
  /** What takes this part: a route with its condition, or tag patterns. */
  title?: string
  filters: readonly string[]
  outputs: readonly string[]
  parts: readonly Way[]
  /** True for the way of records that leave another one, which do not pass the stages before it. */
  isSide?: true
}

/** Returns the names of all outputs of a way. */
export function outputsOf({ outputs, parts }: Way): string[] {
  return [...outputs, ...parts.flatMap(outputsOf)]
}

/** True when some output gets records other than those that leave the way. */
export function isRouted({ outputs, parts }: Way): boolean {
  return outputs.length > 0 || parts.some((part) => part.isSide !== true && isRouted(part))
}

/** Returns the names of all filters of a way. */
export function filtersOf({ filters, parts }: Way): string[] {
  return [...filters, ...parts.flatMap(filtersOf)]
}
