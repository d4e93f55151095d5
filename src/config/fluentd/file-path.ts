const PLACEHOLDER = /\$\{([^}]*)\}/g
/** What a name of an accessor consists of, and what must therefore not follow one. */
const NAME = /^(?!\d)[\p{L}\p{N}_]+$/u
const TAG_PART = /^tag\[(\d+)\]$/
const DOTTED = /^\$\.([^[\]'"/$]+)$/
const BRACKETS = /^\$((?:\['[^'/]+'\]|\["[^"/]+"\])+)$/
const GOES_ON = /^[\p{L}\p{N}_[]/u

/**
 * Returns a path of fluentd with record accessors instead of its placeholders, or why that is not possible:
 *
 * ```
 *   ${tag} ${tag[1]}          $TAG $TAG[1]
 *   ${key} ${$.a.b}           $key $a['b']
 * ```
 */
export function withAccessors(path: string): { text: string } | { fault: string } {
  let text = ''
  let end = 0
  for (const match of path.matchAll(PLACEHOLDER)) {
    const [placeholder, name = ''] = match
    const fixed = path.slice(end, match.index)
    end = match.index + placeholder.length
    const accessor = accessorOf(name)
    if (accessor === undefined) return { fault: `the placeholder ${placeholder} is not supported` }
    const next = path[end] ?? ''
    // A name would go on; after a bracket only another one is a part of the accessor.
    if (accessor.endsWith(']') ? next === '[' : GOES_ON.test(next))
      return { fault: `${placeholder} is followed by "${next}", with which its name would go on here` }
    if (fixed.includes('$')) return { fault: 'a dollar sign in a path is not supported' }
    text += fixed + accessor
  }
  const rest = path.slice(end)
  return rest.includes('$') ? { fault: 'a dollar sign in a path is not supported' } : { text: text + rest }
}

function accessorOf(name: string): string | undefined {
  if (name === 'tag') return '$TAG'
  const part = TAG_PART.exec(name)?.[1]
  if (part !== undefined) return `$TAG[${part}]`
  if (name === 'chunk_id') return undefined
  if (NAME.test(name)) return name === 'TAG' ? undefined : `$${name}`
  const keys = keysOf(name)
  const [first = '', ...others] = keys
  if (!NAME.test(first) || first === 'TAG' || others.includes('')) return undefined
  return `$${first}${others.map((key) => `['${key.replaceAll("'", "''")}']`).join('')}`
}

/** Returns the keys of `$.a.b` and `$['a']['b']`. */
function keysOf(name: string): string[] {
  const dotted = DOTTED.exec(name)?.[1]
  if (dotted !== undefined) return dotted.split('.')
  const brackets = BRACKETS.exec(name)?.[1]
  return brackets === undefined ? [] : brackets.slice(2, -2).split(/['"]\]\[['"]/)
}
