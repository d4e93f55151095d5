import { closeSync, openSync, writeSync } from 'node:fs'

/** A line of about 200 bytes with its number in front. */
export function numbered(n: number): string {
  return `${String(n).padStart(8, '0')} ${'the quick brown fox jumps over the lazy dog '.repeat(4)}end\n`
}

/** Writes lines [from, to) to a new file, or behind what is there. */
export function writeLines(path: string, from: number, to: number): void {
  const fd = openSync(path, 'a')
  for (let at = from; at < to; at += 5000) {
    let block = ''
    for (let n = at; n < Math.min(to, at + 5000); n++) block += numbered(n)
    writeSync(fd, block)
  }
  closeSync(fd)
}
