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
