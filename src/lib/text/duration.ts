/** Formats a duration in one or two units, rounded down: `12 s`, `1 min 5 s`, `2 h`, `3 d 4 h`. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const at = DURATIONS.findIndex(([size]) => seconds >= size)
  const [size, unit] = DURATIONS[at] ?? [1, 's']
  const [smaller, smallUnit] = DURATIONS[at + 1] ?? [1, '']
  const rest = Math.floor((seconds % size) / smaller)
  const whole = `${Math.floor(seconds / size)} ${unit}`
  return rest === 0 ? whole : `${whole} ${rest} ${smallUnit}`
}

const DURATIONS: [seconds: number, unit: string][] = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
]

/** Formats a number with commas between thousands: `8,408`. */
export function countText(n: number): string {
  return String(n).replace(THOUSANDS, ',')
}

const THOUSANDS = /\B(?=(\d{3})+$)/g
