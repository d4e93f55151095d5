/** Formats for people: `1.2 MB` (1000-based, like sizes in the configuration) and `1 d 02:03:04`. */

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB']

/** Formats a number of bytes: `999 B`, `1.2 MB`. */
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

/** Formats a duration: `0:07`, `12:07`, `1:02:03`, `2 d 01:02:03`. */
export function timeText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const two = (n: number): string => String(n).padStart(2, '0')
  const days = Math.floor(seconds / 86_400)
  const hours = Math.floor(seconds / 3600) % 24
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`
  if (days > 0) return `${days} d ${two(hours)}:${rest}`
  return hours > 0 ? `${hours}:${rest}` : rest.replace(LEADING_ZERO, '')
}

const LEADING_ZERO = /^0/
