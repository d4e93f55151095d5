// Reads the reports of `bun test --reporter=junit` and sums them up.

/**
 * @typedef {object} Tally
 * @property {number} passed
 * @property {string[]} failed `file > name` of each, followed by its error
 * @property {string[]} skipped
 * @property {Map<string, number>} seconds time that the tests of each file took
 */

/** @returns {Tally} */
export function emptyTally() {
  return { passed: 0, failed: [], skipped: [], seconds: new Map() }
}

const CASE = /<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g
const FAILURE = /<(?:failure|error)\b[^>]*>([\s\S]*?)<\/(?:failure|error)>/
const ATTRIBUTE = /\b(name|file|classname|time)="([^"]*)"/g
const ENTITY = /&(?:amp|lt|gt|quot|apos|#(\d+)|#x([0-9a-fA-F]+));/g
/** Lines of the error of a failed test. */
const MAX_ERROR_LINES = 60
const SHOWN_FILES = 10
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
    const file = attributes.file ?? '?'
    tally.seconds.set(file, (tally.seconds.get(file) ?? 0) + Number(attributes.time ?? 0))
    const label = [attributes.file, attributes.classname, attributes.name].filter(Boolean).join(' > ')
    if (body.includes('<failure') || body.includes('<error')) tally.failed.push(label + reason(body))
    else if (body.includes('<skipped')) tally.skipped.push(label)
    else tally.passed++
  }
}

/**
 * Returns the error of a failed test. It is part of the summary because build servers often keep only the end of a log.
 * @param {string} body
 */
function reason(body) {
  const text = unescapeXml(FAILURE.exec(body)?.[1] ?? '').trimEnd()
  if (text === '') return ''
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const more = lines.length > MAX_ERROR_LINES ? [`(and ${lines.length - MAX_ERROR_LINES} lines)`] : []
  return [...lines.slice(0, MAX_ERROR_LINES), ...more].map((line) => `\n    ${line}`).join('')
}

/** @param {string} text */
function unescapeXml(text) {
  return text.replace(ENTITY, (all, decimal, hex) => {
    if (decimal) return String.fromCodePoint(Number(decimal))
    return hex ? String.fromCodePoint(Number.parseInt(hex, 16)) : (NAMED[all] ?? all)
  })
}

/**
 * Returns a table of the files whose tests took longest, with the seconds of each.
 * @param {Tally} tally
 */
export function slowestFiles({ seconds }) {
  const rows = [...seconds].sort(([, a], [, b]) => b - a).slice(0, SHOWN_FILES)
  if (rows.length === 0) return ''
  return `slowest files:\n${rows.map(([file, time]) => `${time.toFixed(1).padStart(8)} s  ${file}\n`).join('')}`
}

/**
 * Returns the lines that end a run; the last is `N passed, N failed`, with the number of skipped tests if there are any.
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
