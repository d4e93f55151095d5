const UNITS = ['B', 'KB', 'MB', 'GB', 'TB']

/** Formats a number of bytes for people, 1000-based like sizes in the configuration: `999 B`, `1.2 MB`. */
export function bytesText(bytes: number): string {
  let size = bytes
  let unit = 0
  // 999.95 is the smallest value that one decimal rounds up to 1000.0.
  while (size >= 999.95 && unit < UNITS.length - 1) {
    size /= 1000
    unit++
  }
  return `${unit === 0 ? Math.round(size) : size.toFixed(1)} ${UNITS[unit]}`
}
