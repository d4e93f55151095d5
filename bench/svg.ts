/** Plots as SVG, with colors that are legible on white and on black. */
const WIDTH = 760
const TEXT_COLOR = '#767676'
export const COLORS = ['#2f81f7', '#b9770e', '#8957e5', '#1a9850']
const FONT = 'font-family="system-ui,sans-serif" font-size="12"'

export interface Bar {
  label: string
  values: (number | undefined)[]
}

export interface Series {
  name: string
  /** One value per second; undefined is a gap. */
  values: (number | undefined)[]
}

/** Returns horizontal bars in groups, one color for each of `names`; the longest bar fills the width of the plot. */
export function bars(title: string, names: string[], groups: Bar[]): string {
  const left = 330
  const scale = (WIDTH - left - 60) / maximum(groups.flatMap(({ values }) => values))
  let y = 50
  const parts: string[] = []
  for (const { label, values } of groups) {
    const middle = y + (names.length * 12) / 2 + 4
    parts.push(text(left - 8, middle, label, 'text-anchor="end"'))
    for (const [i, value] of values.entries()) {
      if (value !== undefined) {
        parts.push(rect(left, y, value * scale, 10, COLORS[i]))
        parts.push(text(left + value * scale + 4, y + 9, short(value)))
      }
      y += 12
    }
    y += 10
  }
  return svg(title, y, [legend(names), ...parts])
}

/** Returns lines over seconds, with an axis from zero. */
export function lines(title: string, unit: string, series: Series[]): string {
  const [left, top, height] = [56, 56, 200]
  const axisMax = niceAbove(maximum(series.flatMap(({ values }) => values)))
  const seconds = Math.max(2, ...series.map(({ values }) => values.length)) - 1
  const x = (i: number) => left + (i / seconds) * (WIDTH - left - 16)
  const y = (value: number) => top + height - (value / axisMax) * height
  const parts = [legend(series.map(({ name }) => name))]
  for (let i = 0; i <= 4; i++) {
    const value = (axisMax * i) / 4
    parts.push(rect(left, y(value), WIDTH - left - 16, 0.5, TEXT_COLOR))
    parts.push(text(left - 6, y(value) + 4, short(value), 'text-anchor="end"'))
  }
  for (const [n, { values }] of series.entries()) {
    let path = ''
    for (const [i, value] of values.entries()) {
      if (value === undefined) continue
      path += `${i > 0 && values[i - 1] !== undefined ? 'L' : 'M'}${x(i).toFixed(1)} ${y(value).toFixed(1)}`
    }
    parts.push(`<path d="${path}" fill="none" stroke="${COLORS[n]}" stroke-width="2"/>`)
  }
  parts.push(text(left, top + height + 20, `0 to ${seconds} s, ${unit}`))
  return svg(title, top + height + 30, parts)
}

function legend(names: string[]): string {
  let x = 16
  return names
    .map((name, i) => {
      const part = rect(x, 30, 10, 10, COLORS[i]) + text(x + 14, 39, name)
      x += 34 + name.length * 7
      return part
    })
    .join('')
}

function svg(title: string, height: number, parts: string[]): string {
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`
  const head = `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escaped(title)}" ${size} ${FONT}>`
  return `${[head, text(16, 18, title, 'font-weight="bold"'), ...parts, '</svg>'].join('\n')}\n`
}

function rect(x: number, y: number, width: number, height: number, color: string | undefined): string {
  return `<rect x="${x}" y="${y.toFixed(1)}" width="${width.toFixed(1)}" height="${height}" fill="${color}"/>`
}

function text(x: number, y: number, words: string, attributes = ''): string {
  return `<text x="${x.toFixed(0)}" y="${y.toFixed(0)}" fill="${TEXT_COLOR}" ${attributes}>${escaped(words)}</text>`
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

function maximum(values: (number | undefined)[]): number {
  return Math.max(1, ...values.filter((value) => value !== undefined))
}

/** Returns 1, 2, 4, 8 or 10 times a power of ten, not less than `value`, so that its quarters are round. */
function niceAbove(value: number): number {
  const ten = 10 ** Math.floor(Math.log10(value))
  return ten * ([1, 2, 4, 8].find((n) => n * ten >= value) ?? 10)
}

function short(value: number): string {
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1)
}
