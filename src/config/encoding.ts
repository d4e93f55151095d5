import { isUtf8 } from 'node:buffer'
import { type Diagnostics, warn } from './config-tree.ts'

const LINE_FEED = 10

/** Warns of the first line of a configuration file that is not UTF-8: other characters than the meant ones are read from it. */
export function warnOfEncoding(file: string, bytes: Buffer, diagnostics: Diagnostics): void {
  if (isUtf8(bytes)) return
  let line = 1
  for (let at = 0; at < bytes.length; line++) {
    const feed = bytes.indexOf(LINE_FEED, at)
    const end = feed < 0 ? bytes.length : feed
    if (!isUtf8(bytes.subarray(at, end))) break
    at = end + 1
  }
  const message = 'this line is not UTF-8: its other characters are read as U+FFFD; save the file as UTF-8'
  warn(diagnostics, message, { file, line })
}
