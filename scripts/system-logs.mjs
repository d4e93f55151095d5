// Finds the logs of this machine for `npm start` without arguments.
import { accessSync, closeSync, constants, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Names of logs without the suffix `.log` in common distributions. */
const BARE_NAMES = new Set(['messages', 'syslog', 'secure', 'maillog', 'cron', 'dmesg', 'user', 'daemon'])
/** Directories that are skipped: private ones, and the journal, whose files are binary. */
const SKIPPED_DIRECTORIES = new Set(['journal', 'private', 'installer'])
const SPECIAL = /[\s,*?[\]{}]/
const PROBE_BYTES = 4096

/**
 * @typedef {object} FoundLogs
 * @property {string[]} patterns for Path of tail: `DIR/*.log` and the files with other names
 * @property {string[]} excluded files that match a pattern but are not readable text
 * @property {number} files
 * @property {number} bytes
 */

/**
 * Returns the text files under `dir` that this user can read: `*.log` and the well-known names, two directories deep.
 * @param {string} dir
 * @returns {FoundLogs}
 */
export function findLogs(dir, depth = 2) {
  const entries = list(dir).filter((entry) => !SPECIAL.test(join(dir, entry.name)))
  const candidates = entries.filter((entry) => entry.isFile() && isLogName(entry.name))
  const paths = candidates.map((entry) => join(dir, entry.name))
  const readable = paths.filter(isReadableText)
  /** @type {FoundLogs} */
  const found = {
    patterns: readable.filter((path) => !path.endsWith('.log')),
    excluded: [],
    files: readable.length,
    bytes: readable.reduce((sum, path) => sum + statSync(path).size, 0),
  }
  if (readable.length > found.patterns.length) {
    found.patterns.unshift(join(dir, '*.log'))
    found.excluded = paths.filter((path) => path.endsWith('.log') && !readable.includes(path))
  }
  for (const entry of entries) {
    const enter = entry.isDirectory() && depth > 0 && !SKIPPED_DIRECTORIES.has(entry.name)
    if (enter) add(found, findLogs(join(dir, entry.name), depth - 1))
  }
  return found
}

/** @param {string} name */
function isLogName(name) {
  return name.endsWith('.log') || BARE_NAMES.has(name)
}

/**
 * @param {FoundLogs} to
 * @param {FoundLogs} from
 */
function add(to, from) {
  to.patterns.push(...from.patterns)
  to.excluded.push(...from.excluded)
  to.files += from.files
  to.bytes += from.bytes
}

/** @param {string} dir */
function list(dir) {
  try {
    return readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch {
    return []
  }
}

/** @param {string} path */
function isReadableText(path) {
  try {
    accessSync(path, constants.R_OK)
    const fd = openSync(path, 'r')
    try {
      const head = Buffer.alloc(PROBE_BYTES)
      return head.subarray(0, readSync(fd, head, 0, PROBE_BYTES, 0)).indexOf(0) === -1
    } finally {
      closeSync(fd)
    }
  } catch {
    return false
  }
}
