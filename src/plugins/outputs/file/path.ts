import { dirname, isAbsolute, join } from 'node:path'
import { isMissing, stat } from '../../../lib/fs/file-system.ts'
import type { FileOptions } from './options.ts'

/** Where records are written. */
export interface Destination {
  path: string
  /** Directory that the configuration names. What is below it may have been chosen by a tag or a record. */
  directory: string
  /** What names the file: the tag of a record and its fields may come from a sender. */
  chosenBy: 'configuration' | 'tag' | 'record'
}

/**
 * Returns the destination of a tag. `File` is a name in the directory `Path`, or a path of its own if it is absolute and
 * no Path is given. Without File, a Path that is a directory, that ends with a slash or that Mkdir would create has one
 * file per tag; any other Path is the file itself, as in fluent-bit before 1.0 (`-o file -p path=/tmp/output.txt`).
 */
export function destinationOf(tag: string, { path, file, mkdir }: FileOptions): Destination {
  if (file !== undefined) return configuredDestination(path, file)
  const directory = path ?? '.'
  if (!isDirectory(directory, mkdir))
    return { path: directory, directory: dirname(directory), chosenBy: 'configuration' }
  return { path: join(directory, nameOf(tag, mkdir)), directory, chosenBy: 'tag' }
}

/** Returns the destination of a file in a directory, of which the first may be an absolute path without the second. */
export function configuredDestination(directory: string | undefined, file: string): Destination {
  const path = directory === undefined && isAbsolute(file) ? file : join(directory ?? '.', file)
  return { path, directory: dirname(path), chosenBy: 'configuration' }
}

function isDirectory(path: string, mkdir: boolean): boolean {
  if (path.endsWith('/')) return true
  const found = stat(path)
  if ('isDirectory' in found) return found.isDirectory()
  // What cannot be examined is a directory: the error then names the path of the tag's file.
  return mkdir || !isMissing(found) || isMissing(stat(dirname(path)))
}

/** Longest name in a directory on Linux. */
export const MAX_NAME_BYTES = 255
const NUL = /\0/g

/**
 * Returns the path of a tag's file, relative to the directory, which it cannot leave. Slashes of the tag are directories if
 * Mkdir creates them, else `_`. Any tag that a sender may choose becomes a name that can be written: one that cannot would
 * block all the others.
 */
export function nameOf(tag: string, mkdir: boolean): string {
  const parts = tag.split('/').filter((part) => part !== '')
  if (parts.length === 0) return '_'
  return mkdir ? parts.map(validName).join('/') : validName(parts.join('_'))
}

function validName(text: string): string {
  if (text === '.' || text === '..') return '_'
  const name = text.replace(NUL, '_')
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name
  const bytes = Buffer.from(name)
  return bytes.toString('utf8', 0, charStart(bytes, MAX_NAME_BYTES))
}

/** Returns the offset of the UTF-8 character that contains the byte at `at`. */
function charStart(bytes: Buffer, at: number): number {
  let start = at
  while (((bytes[start] as number) & 0xc0) === 0x80) start--
  return start
}
