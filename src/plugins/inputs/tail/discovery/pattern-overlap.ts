import type { Atom, Token } from './fnmatch-parse.ts'

const SLASH = 0x2f

/**
 * True when some path could match both patterns. Stars and sets of `path` do not match a slash, those of
 * `exclude` do. Leading dots are not special.
 */
export function overlap(path: readonly Token[], exclude: readonly Token[]): boolean {
  const width = exclude.length + 1
  const tried = new Set<number>()
  const pending: [number, number][] = [[0, 0]]
  const later = (i: number, j: number): void => {
    if (tried.has(i * width + j)) return
    tried.add(i * width + j)
    pending.push([i, j])
  }
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const [i, j] = next
    if (i === path.length && j === exclude.length) return true
    const [x, y] = [path[i], exclude[j]]
    if (x === '*') {
      later(i + 1, j)
      if (y !== undefined && y !== '*' && withoutSlash(y)) later(i, j + 1)
    }
    if (y === '*') {
      later(i, j + 1)
      if (x !== undefined && x !== '*') later(i + 1, j)
    }
    if (x !== undefined && x !== '*' && y !== undefined && y !== '*' && meet(x, y)) later(i + 1, j + 1)
  }
  return false
}

/** True when the atom matches a character other than a slash. */
function withoutSlash(atom: Atom): boolean {
  if (typeof atom === 'number') return atom !== SLASH
  return atom.some(([from, to]) => from !== SLASH || to !== SLASH)
}

/** True when some character matches both atoms. The first one belongs to a Path. */
function meet(path: Atom, other: Atom): boolean {
  if (typeof path === 'number')
    return typeof other === 'number' ? path === other : other.some(([a, b]) => a <= path && path <= b)
  const others = typeof other === 'number' ? ([[other, other]] as const) : other
  return path.some(([a, b]) =>
    others.some(([c, d]) => {
      const from = Math.max(a, c)
      const to = Math.min(b, d)
      return from < to || (from === to && from !== SLASH)
    }),
  )
}
