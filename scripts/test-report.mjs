// Reads what `bun test --reporter=junit` wrote, and sums up.

/**
 * @typedef {object} Tally
 * @property {number} passed
 * @property {string[]} failed `file > name` of each, and under it what failed
 * @property {string[]} skipped
 */

/** @returns {Tally} */
export function emptyTally() {
  return { passed: 0, failed: [], skipped: [] }
}

const CASE = /<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g
const FAILURE = /<(?:failure|error)\b[^>]*>([\s\S]*?)<\/(?:failure|error)>/
const ATTRIBUTE = /\b(name|file|classname)="([^"]*)"/g
const ENTITY = /&(?:amp|lt|gt|quot|apos|#(\d+)|#x([0-9a-fA-F]+));/g
/** Of what a failed test said. */
const MOST_LINES = 60
/** @type {Record<string, string>} */
const NAMED = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'" }

/**
 * Adds the cases of a report to the tally.
 * @param {Tally} tally
 * @param {string} xml
 */
export function readReport(tally, xml) {
  for (const [, head = '', body = ''] of xml.matchAll(CASE)) {
    /** @type {Record<string, string>} */
    const attributes = {}
    for (const [, key = '', value = ''] of head.matchAll(ATTRIBUTE)) attributes[key] = unescapeXml(value)
    const label = [attributes.file, attributes.classname, attributes.name].filter(Boolean).join(' > ')
    if (body.includes('<failure') || body.includes('<error')) tally.failed.push(label + reason(body))
    else if (body.includes('<skipped')) tally.skipped.push(label)
    else tally.passed++
  }
}

/**
 * Of a build server often only the end of its output is kept: what failed has to be there too.
 * @param {string} body
 */
function reason(body) {
  const text = unescapeXml(FAILURE.exec(body)?.[1] ?? '').trimEnd()
  if (text === '') return ''
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const more = lines.length > MOST_LINES ? [`(and ${lines.length - MOST_LINES} lines)`] : []
  return [...lines.slice(0, MOST_LINES), ...more].map((line) => `\n    ${line}`).join('')
}

/** @param {string} text */
function unescapeXml(text) {
  return text.replace(ENTITY, (all, decimal, hex) => {
    if (decimal) return String.fromCodePoint(Number(decimal))
    return hex ? String.fromCodePoint(Number.parseInt(hex, 16)) : (NAMED[all] ?? all)
  })
}

/**
 * The lines that end a run; the last is `N passed, N failed`, and what was skipped on the same line.
 * @param {Tally} tally
 */
export function summary(tally) {
  const { passed, failed, skipped } = tally
  const lines = [
    ...skipped.map((label) => `skipped: ${label}`),
    ...failed.map((label) => `failed: ${label}`),
    `${passed} passed, ${failed.length} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`,
  ]
  return `${lines.join('\n')}\n`
}
