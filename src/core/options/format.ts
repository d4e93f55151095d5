import type { Option } from './option.ts'
import { formatSize, formatTime } from './units.ts'

const NEEDS_QUOTES = /^$|^"|\s/

/** Formats a parsed value, or one of an option with `repeat`, so that `parseValue` returns it again. */
export function formatValue(option: Option, value: unknown): string {
  switch (option.type) {
    case 'size':
      return typeof value === 'number' ? formatSize(value) : String(value)
    case 'time':
      return typeof value === 'number' ? formatTime(value) : String(value)
    case 'clist':
      return (value as string[]).join(', ')
    case 'slist':
      return words(value as string[], option.words)
    default:
      return String(value)
  }
}

/** The last of a fixed number of words is the rest of the text, and written without quotation marks. */
function words(list: readonly string[], count: number | undefined): string {
  return list
    .map((word, i) =>
      i + 1 === count || !NEEDS_QUOTES.test(word) ? word : `"${word.replaceAll('"', '\\"')}"`,
    )
    .join(' ')
}
