import type { ShipperError, SourceLocation } from '../core/error.ts'
import { problem } from './config-tree.ts'
import { alsoAt } from './missing-plugins.ts'

const LOCATED = /^(\S.*?:\d+:\d+): (.*)$/s
const LINE_AND_COLUMN = /:(\d+):\d+$/

/** Returns problems in their order, with those of the same message and hint as one that names the other places. */
export function foldProblems(problems: readonly ShipperError[]): ShipperError[] {
  const groups = new Map<string, [ShipperError, ...ShipperError[]]>()
  for (const each of problems) {
    // Flags have no line: their argument is what tells two of them apart.
    const { line, argument } = each.location ?? {}
    const key = JSON.stringify([each.code, each.message, each.hint, line === undefined, argument])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [each])
    else group.push(each)
  }
  return [...groups.values()].map(([first, ...others]) => {
    if (others.length === 0) return first
    const places = distinct(others.map(({ location }) => location).filter((place) => place !== undefined))
    return problem(first.code, first.message + alsoAt(first.location, places), first.location, first.hint)
  })
}

/**
 * Returns warnings with those of the same text as one that names the other places: those of a file in the order of its lines, files
 * in the order of their first warning, those without a line at the end.
 */
export function foldWarnings(warnings: readonly string[]): string[] {
  const groups = new Map<string, Set<string>>()
  for (const warning of warnings) {
    const [, place = '', text = warning] = LOCATED.exec(warning) ?? []
    const places = groups.get(text)
    if (places === undefined) groups.set(text, new Set([place]))
    else places.add(place)
  }
  const files = [...new Set([...groups.values()].map(([first = '']) => placeOf(first).file))]
  const rank = ([, [first = '']]: [string, Set<string>]): number[] => {
    const { file, line = 0 } = placeOf(first)
    return first === '' ? [files.length, 0] : [files.indexOf(file), line]
  }
  return [...groups]
    .map((group) => ({ group, rank: rank(group) }))
    .sort((a, b) => a.rank.map((n, i) => n - (b.rank[i] as number)).find((d) => d !== 0) ?? 0)
    .map(({ group: [text, [first = '', ...others]] }) =>
      first === '' ? text : `${first}: ${text}${alsoAt(placeOf(first), others.map(placeOf))}`,
    )
}

function placeOf(text: string): SourceLocation {
  const line = Number(LINE_AND_COLUMN.exec(text)?.[1])
  return { file: text.replace(LINE_AND_COLUMN, ''), line }
}

function distinct(places: readonly SourceLocation[]): SourceLocation[] {
  const lines = new Map(places.map((place) => [`${place.file} ${place.line}`, place]))
  return [...lines.values()]
}
