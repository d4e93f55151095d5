import { textHead, textLength } from '../../../core/msgpack/record.ts'

/** Numbers of OpenTelemetry by words, which are compared in lower case. */
export const SEVERITY_WORDS: Readonly<Record<string, number>> = {
  __proto__: null as never,
  trace: 1,
  t: 1,
  verbose: 1,
  finest: 1,
  debug: 5,
  dbg: 5,
  d: 5,
  fine: 5,
  information: 9,
  informational: 9,
  info: 9,
  inf: 9,
  i: 9,
  notice: 10,
  n: 10,
  warning: 13,
  warn: 13,
  wrn: 13,
  w: 13,
  error: 17,
  err: 17,
  e: 17,
  severe: 17,
  critical: 18,
  crit: 18,
  alert: 19,
  fatal: 21,
  ftl: 21,
  f: 21,
  panic: 21,
  dpanic: 21,
  emergency: 21,
  emerg: 21,
}

/** Numbers by the severities of syslog, 0 (emergency) to 7 (debug). */
const SYSLOG = [21, 19, 18, 17, 13, 10, 9, 5]
/** Levels of pino and bunyan are 10 (trace) to 60 (fatal). */
const PINO_STEP = 10
const MAX_PINO = 6

const MAX_WORD_BYTES = 16

/**
 * Returns the severity number of the value at `at`: a word in any case, a severity of syslog (0 to 7) or a level of pino (10, 20 ... 60),
 * as a number or its digits; 0 for anything else.
 */
export function severityOf(buf: Buffer, at: number): number {
  const head = textHead(buf, at)
  if (head < 0) {
    const t = buf[at] as number
    return t < 0x80 ? ofNumber(t) : 0
  }
  const length = textLength(buf, at)
  if (length === 0 || length > MAX_WORD_BYTES) return 0
  return ofText(buf, at + head, length)
}

/** The words seen last, as bytes: nearly every record has one of a few. */
const seen: { bytes: Buffer; severity: number }[] = []
const MAX_SEEN = 16

function ofText(buf: Buffer, start: number, length: number): number {
  for (const { bytes, severity } of seen) if (isSame(bytes, buf, start, length)) return severity
  const word = buf.toString('latin1', start, start + length)
  const severity = /^\d{1,2}$/.test(word) ? ofNumber(Number(word)) : (SEVERITY_WORDS[word.toLowerCase()] ?? 0)
  if (seen.length === MAX_SEEN) seen.length = 0
  seen.push({ bytes: Buffer.from(word, 'latin1'), severity })
  return severity
}

function isSame(bytes: Buffer, buf: Buffer, start: number, length: number): boolean {
  if (bytes.length !== length) return false
  for (let i = 0, p = start; i < length; i++, p++) if (bytes[i] !== buf[p]) return false
  return true
}

/** Severities by the numbers of one byte of MessagePack. */
export const SEVERITIES_BY_NUMBER = Uint8Array.from({ length: 128 }, (_, n) => ofNumber(n))

function ofNumber(n: number): number {
  if (n < SYSLOG.length) return SYSLOG[n] as number
  const level = n / PINO_STEP
  return Number.isInteger(level) && level <= MAX_PINO ? level * 4 - 3 : 0
}

/** Severities by the first letter of a line of klog: `I0131 12:00:00.000000 ...`. */
const KLOG: Record<number, number> = { 73: 9, 87: 13, 69: 17, 70: 21 }

/** Returns the severity number of a line of klog, else 0. */
export function klogSeverity(buf: Buffer, start: number, end: number): number {
  const severity = KLOG[buf[start] as number]
  if (severity === undefined || end - start < 9 || buf[start + 5] !== 0x20 || buf[start + 8] !== 0x3a)
    return 0
  for (let i = 1; i <= 4; i++) {
    const c = buf[start + i] as number
    if (c < 0x30 || c > 0x39) return 0
  }
  return severity
}
