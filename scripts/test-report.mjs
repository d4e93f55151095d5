// Reads what `bun test --reporter=junit` wrote, and sums up.

/**
 * @typedef {object} Tally
 * @property {number} passed
 * @property {string[]} failed `file > name` of each
 * @property {string[]} skipped
 */

/** @returns {Tally} */
export function emptyTally() {
  return { passed: 0, failed: [], skipped: [] }
}

const CASE = /<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g
const ATTRIBUTE = /\b(name|file|classname)="([^"]*)"/g
const ENTITY = /&(?:amp|lt|gt|quot|apos|#(\d+)|#x([0-9a-fA-F]+));/g
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
    if (body.includes('<failure') || body.includes('<error')) tally.failed.push(label)
    else if (body.includes('<skipped')) tally.skipped.push(label)
    else tally.passed++
  }
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
