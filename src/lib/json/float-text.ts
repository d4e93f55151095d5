/** Returns the shortest text of a float that no reader takes for an integer: `1.0`, `-0.0`, `1.5`, `1e+21`. */
export function floatText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return `${Object.is(value, -0) ? '-0' : value}.0`
  return Number.isFinite(value) ? String(value) : 'null'
}
