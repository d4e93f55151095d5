import { createHash } from 'node:crypto'
import { EXTENTS, type Places } from '../../core/places.ts'

/**
 * Places (core/places.ts) of the entries of a source that is no file, and in which each entry has a number or a name, the same whenever
 * it is read:
 *
 * ```
 *   numbered   source   what the numbers are counted in: a boot, a sequence of the journal, a partition of a topic
 *              offset   the number
 *              extent   a hash of what else is known of the entry, where the source may give a number twice (`EXTENTS`); else 0
 *   named      source   what the names are unique in
 *              offset   48 bits and
 *              extent   24 bits of the hash of the name: as many as the source has in an id
 * ```
 * The source has the tag of the input, too: two inputs that read one source for two tags make two records.
 */
export function placeSource(...parts: readonly string[]): string {
  // ASCII, as sources have to be.
  return parts.map(encodeURIComponent).join(' ')
}

/** Adds the place of an entry with a name; `source` is its index in `places`. */
export function addNamedPlace(places: Places, source: number, name: string): void {
  const hash = createHash('sha256').update(name).digest()
  places.add(source, hash.readUIntBE(0, OFFSET_BYTES), 0, hash.readUIntBE(OFFSET_BYTES, 3) % EXTENTS)
}

const OFFSET_BYTES = 6
