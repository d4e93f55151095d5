import { closeSync, openSync, writeSync } from 'node:fs'

/** Returns a line of about 200 bytes that starts with its number. */
export function numbered(n: number): string {
  return `${String(n).padStart(8, '0')} ${'the quick brown fox jumps over the lazy dog '.repeat(4)}end\n`
}

/** Appends lines [from, to) to the file. */
export function writeLines(path: string, from: number, to: number): void {
  const fd = openSync(path, 'a')
  for (let at = from; at < to; at += 5000) {
    let block = ''
    for (let n = at; n < Math.min(to, at + 5000); n++) block += numbered(n)
    writeSync(fd, block)
  }
  closeSync(fd)
}
