import type { RegexLimit } from '../../core/plugin.ts'
import { RubyFailure } from './failure.ts'

/** What an expression can use: one object serves all records of a chunk. */
export interface Scope {
  /** The record: its map is at `map`, its entry ends at `end`. */
  buf: Buffer
  map: number
  end: number
  sec: number
  nsec: number
  tag: string
  tagParts: readonly string[]
  tagPrefix: readonly string[]
  tagSuffix: readonly string[]
  readonly hostname: string
  readonly nowMs: () => number
  /** Characters that the expressions may still make of this record. */
  budget: number
}

/** What expressions are compiled with. */
export interface Surroundings {
  readonly regexLimit?: RegexLimit | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Characters that expressions may make of one record: this many, and these many per byte of the record. */
export const MAX_MADE_CHARS = 1_000_000
export const MAX_MADE_PER_BYTE = 16

/** Counts a string that an expression has made; throws when there are too many. */
export function charge(scope: Scope, characters: number): void {
  scope.budget -= characters
  if (scope.budget < 0)
    throw new RubyFailure('the strings that the expressions make of the record are too long')
}

/** Returns the parts of a tag as Ruby splits them: without empty ones at the end. */
function splitTag(tag: string): string[] {
  const parts = tag.split('.')
  while (parts.at(-1) === '') parts.pop()
  return parts
}

/** Sets the tag, and what is derived from it. */
export function setTag(scope: Scope, tag: string): void {
  const parts = splitTag(tag)
  scope.tag = tag
  scope.tagParts = parts
  scope.tagPrefix = parts.map((_, i) => parts.slice(0, i + 1).join('.'))
  scope.tagSuffix = parts.map((_, i) => parts.slice(i).join('.'))
}
