/** Width that a text should fit; a path or a name that is longer is not cut. */
export const PAGE_WIDTH = 100
const DEEPER = 4

/**
 * Aligns the cells of rows: each column is as wide as its widest cell of at most `max` characters; the last one is free. A last
 * cell that does not fit the page gets a line of its own.
 */
export function aligned(rows: readonly (readonly string[])[], indent = 0, max = 80): string {
  const widths: number[] = []
  for (const row of rows)
    for (let i = 0; i < row.length - 1; i++) {
      const { length } = row[i] as string
      if (length <= max) widths[i] = Math.max(widths[i] ?? 0, length)
    }
  return rows.map((row) => rowText(row, widths, indent)).join('')
}

function rowText(row: readonly string[], widths: readonly number[], indent: number): string {
  const blanks = ' '.repeat(indent)
  const cells = row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
  const line = `${blanks}${cells.join('  ').trimEnd()}`
  if (row.length === 1 || widthOf(line) <= PAGE_WIDTH) return `${line}\n`
  const head = cells.slice(0, -1).join('  ').trimEnd()
  const first = head === '' ? '' : `${blanks}${head}\n`
  return `${first}${blanks}${' '.repeat(DEEPER)}${cells.at(-1)}\n`
}

/** Returns the length of the first line of a text. */
function widthOf(text: string): number {
  const end = text.indexOf('\n')
  return end < 0 ? text.length : end
}

/** Joins parts with a separator, in lines that fit the page; further lines begin with `indent` blanks. */
export function joined(parts: readonly string[], separator: string, indent: number): string {
  const lines: string[] = []
  let line = ''
  for (const part of parts) {
    const next = line === '' ? part : `${line}${separator}${part}`
    if (line !== '' && indent + next.length > PAGE_WIDTH) {
      lines.push(line)
      line = `${separator.trimStart()}${part}`
    } else line = next
  }
  lines.push(line)
  return lines.join(`\n${' '.repeat(indent)}`)
}
