import type { Property, Section } from './config-tree.ts'

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?$/i

/**
 * Returns a map of YAML as JSON text. Its scalars are texts in the tree, whatever their quotes were: what looks like a number,
 * true, false or null is one.
 */
function groupValue(group: Section): string {
  return JSON.stringify(objectOf(group))
}

function objectOf({ properties, groups }: Section): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  const add = (name: string, value: unknown): void => {
    // A list is several entries with one name.
    const before = Object.hasOwn(object, name) ? object[name] : undefined
    const together =
      before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value]
    Object.defineProperty(object, name, {
      value: together,
      enumerable: true,
      configurable: true,
      writable: true,
    })
  }
  for (const { key, value } of properties) add(key, scalarOf(value))
  for (const group of groups) add(group.name, objectOf(group))
  return object
}

function scalarOf(text: string): unknown {
  if (NUMBER.test(text)) return Number(text)
  return text === 'true' ? true : text === 'false' ? false : text === 'null' ? null : text
}

/** Returns the properties of a test with its groups as JSON texts, in the order of the file. */
export function propertiesWithGroups({
  properties,
  groups,
}: Section): { property: Property; isGroup: boolean }[] {
  const all = [
    ...properties.map((property) => ({ property, isGroup: false })),
    ...groups.map((group) => {
      const { name: key, location } = group
      return { property: { key, value: groupValue(group), location, valueLocation: location }, isGroup: true }
    }),
  ]
  const place = ({ property: { location } }: { property: Property }): number[] => [
    location.line ?? 0,
    location.col ?? 0,
  ]
  return all.sort((a, b) => {
    const [line = 0, col = 0] = place(a)
    const [otherLine = 0, otherCol = 0] = place(b)
    return line - otherLine || col - otherCol
  })
}
