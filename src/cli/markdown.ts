import { wrap } from './wrap.ts'

const FENCE = /^```/
const TABLE_RULE = /^\|[\s:|-]+\|$/
const LIST_ITEM = /^- /
const LINK = /\[([^\]]*)\]\((?!\s)[^)]*\)/g
const BOLD = /\*\*(?=\S)([^*]+)\*\*/g
const CELL_END = /(?<!\\)\|/
const INDENT = 2
const GAP = 2

/**
 * Formats the Markdown of a description for a terminal: paragraphs and list items are wrapped to `width` columns, code blocks stay
 * as they are, cells of tables are aligned, and of links and bold text only the text is left. A description has no other
 * elements; a test looks at all of them.
 */
export function terminalText(markdown: string, width: number): string {
  const blocks: string[] = []
  const lines = markdown.trim().split('\n')
  for (let at = 0; at < lines.length; ) {
    const end = blockEnd(lines, at)
    const block = lines.slice(at, end)
    if (block.some((line) => line.trim() !== '')) blocks.push(blockText(block, width))
    at = end
  }
  return blocks.join('\n')
}

/** Returns the end of the block that begins with the line `at`, which is at least one line. */
function blockEnd(lines: readonly string[], at: number): number {
  const first = lines[at] ?? ''
  let end = at + 1
  if (FENCE.test(first)) {
    while (end < lines.length && !FENCE.test(lines[end] ?? '')) end++
    return Math.min(end + 1, lines.length)
  }
  const isTable = first.startsWith('|')
  while (end < lines.length && continues(lines[end] ?? '', isTable)) end++
  return end
}

function continues(line: string, isTable: boolean): boolean {
  return line.trim() !== '' && !FENCE.test(line) && line.startsWith('|') === isTable
}

function blockText(block: readonly string[], width: number): string {
  const [first = ''] = block
  if (FENCE.test(first)) {
    const code = FENCE.test(block.at(-1) ?? '') && block.length > 1 ? block.slice(1, -1) : block.slice(1)
    return code.map((line) => (line === '' ? '\n' : `${' '.repeat(INDENT)}${line}\n`)).join('')
  }
  if (first.startsWith('|')) return tableText(block, width)
  return paragraphs(block)
    .map((text) => (LIST_ITEM.test(text) ? itemText(text, width) : wrap(plain(text), width, 0)))
    .join('')
}

/** Splits a block at the items of a list, which may follow a paragraph without an empty line. */
function paragraphs(block: readonly string[]): string[] {
  const texts: string[] = []
  for (const line of block) {
    if (texts.length === 0 || LIST_ITEM.test(line)) texts.push(line)
    else texts.push(`${texts.pop()} ${line.trim()}`)
  }
  return texts
}

function itemText(text: string, width: number): string {
  return `- ${wrap(plain(text.slice(INDENT)), width, INDENT).slice(INDENT)}`
}

/** Aligns the columns but the last one, which is wrapped, or stands below the others where these need most of the width. */
function tableText(block: readonly string[], width: number): string {
  const rows = block
    .filter((line) => !TABLE_RULE.test(line))
    .map((line) =>
      line
        .split(CELL_END)
        .slice(1, -1)
        .map((cell) => plain(cell.trim().replaceAll('\\|', '|'))),
    )
    .filter((cells) => cells.some((cell) => cell !== ''))
  const widths: number[] = []
  for (const row of rows)
    for (let i = 0; i < row.length - 1; i++) widths[i] = Math.max(widths[i] ?? 0, row[i]?.length ?? 0)
  const column = INDENT + widths.reduce((sum, n) => sum + n + GAP, 0)
  const isBelow = column > width / 2
  const indent = isBelow ? 2 * INDENT : column
  return rows
    .map((row) => {
      const cells = row.slice(0, -1).map((cell, i) => `${cell.padEnd(widths[i] ?? 0)}${' '.repeat(GAP)}`)
      const head = `${' '.repeat(INDENT)}${cells.join('')}`
      const last = wrap(row.at(-1) ?? '', width, indent)
      if (isBelow || last === '') return `${head.trimEnd()}\n${last}`
      return `${head}${last.slice(indent)}`
    })
    .join('')
}

/** Returns Markdown of one paragraph as text: of links and bold text only the text is left. */
export function plain(text: string): string {
  return text.replace(LINK, '$1').replace(BOLD, '$1')
}
