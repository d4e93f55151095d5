import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Target } from './target.ts'

const FOLDER = import.meta.dirname
/** Limits of what is kept in the repository for a target. */
const MAX_KEPT_FILES = 20
const MAX_KEPT_BYTES = 1500

/** Returns the seeds of a target and its kept inputs. */
export function corpusOf(target: Target): Buffer[] {
  return [
    ...target.seeds().map((seed) => Buffer.from(seed as string)),
    ...keptOf(target).map(({ bytes }) => bytes),
  ]
}

/** Returns the kept inputs of a target. */
export function keptOf({ name }: Target): { path: string; bytes: Buffer }[] {
  const folder = join(FOLDER, 'corpus', name)
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).sort()
  return names.map((file) => ({ path: join(folder, file), bytes: readFileSync(join(folder, file)) }))
}

/** Adds a small input to the kept ones, until there are enough. */
export function keep(target: Target, input: Buffer): void {
  if (input.length <= MAX_KEPT_BYTES && keptOf(target).length < MAX_KEPT_FILES)
    write(join(FOLDER, 'corpus', target.name), input)
}

/** Writes an input for which a property does not hold, with the reason beside it; returns its path. */
export function writeFailure(name: string, input: Buffer, reason: string): string {
  const path = write(join(FOLDER, 'failures', name), input)
  writeFileSync(`${path}.txt`, `${reason}\n\nnpm run fuzz -- --replay ${path}\n`)
  return path
}

function write(folder: string, input: Buffer): string {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, createHash('sha256').update(input).digest('hex').slice(0, 12))
  writeFileSync(path, input)
  return path
}
