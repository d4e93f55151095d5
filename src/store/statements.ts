import type { OffsetRow, PlaceRow } from '../core/offset-store.ts'
import type { Database, Statement } from './driver.ts'
import {
  fileValues,
  INSERT_NEXT_FILE,
  placeValues,
  REPLACE_EXTRA,
  REPLACE_PLACE,
  REPLACE_ROTATED,
  REPLACE_SCAN,
  rotatedValues,
  SELECT_PLACES,
  SELECT_ROTATED_IDS,
  SELECT_ROWS,
  UPDATE_FILE,
} from './schema.ts'

/** Prepared statements of one connection. */
export interface Statements {
  rows: Statement
  insert: Statement
  update: Statement
  extra: Statement
  rotated: Statement
  removeFile: Statement
  removeExtra: Statement
  removeRotated: Statement
  /** Ids with a row in shipper_rotated. Most rows have none, and need no statement for it. */
  rotatedIds: Set<bigint>
  place: Statement
  removePlace: Statement
  /** Rows of shipper_places as text, by id: they are written when they change, and not with each position. */
  places: Map<bigint, string>
  setScan: Statement
  /** The id that was given last; a run gives none twice, not even that of a row that was removed. */
  lastId: bigint
}

/** Prepares all statements. `lastId`: that of the statements before. */
export function prepare(db: Database, lastId = 0n): Statements {
  return {
    lastId,
    rows: db.prepare(SELECT_ROWS),
    insert: db.prepare(INSERT_NEXT_FILE),
    update: db.prepare(UPDATE_FILE),
    extra: db.prepare(REPLACE_EXTRA),
    rotated: db.prepare(REPLACE_ROTATED),
    removeFile: db.prepare('DELETE FROM in_tail_files WHERE id = ?'),
    removeExtra: db.prepare('DELETE FROM shipper_files WHERE id = ?'),
    removeRotated: db.prepare('DELETE FROM shipper_rotated WHERE id = ?'),
    rotatedIds: new Set(
      db
        .prepare(SELECT_ROTATED_IDS)
        .all()
        .map(({ id }) => id as bigint),
    ),
    place: db.prepare(REPLACE_PLACE),
    removePlace: db.prepare('DELETE FROM shipper_places WHERE id = ?'),
    places: new Map(
      db
        .prepare(SELECT_PLACES)
        .all()
        .map(({ id, ...rest }) => [id as bigint, Object.values(rest).join()]),
    ),
    setScan: db.prepare(REPLACE_SCAN),
  }
}

/**
 * Writes a row and returns its id; a row that another program deleted, or that belongs to another input, gets
 * a new one.
 */
export function storeRow(statements: Statements, row: OffsetRow, taken: boolean): bigint {
  if (row.id !== undefined && !taken) {
    const id = BigInt(row.id)
    if (statements.update.run(...fileValues(row, id)).changes > 0) return id
  }
  const { id } = statements.insert.run(...fileValues(row, statements.lastId))
  statements.lastId = id
  return id
}

/** Writes the columns that only some rows have, or removes them. */
export function storeRotated(statements: Statements, row: OffsetRow, id: bigint): void {
  const values = rotatedValues(row, id)
  if (values !== undefined) {
    statements.rotated.run(...values)
    statements.rotatedIds.add(id)
  } else removeRotated(statements, id)
}

/**
 * Removes the columns that only some rows have. If the transaction fails, the id stays known, so the removal
 * is repeated.
 */
export function removeRotated(statements: Statements, id: bigint): void {
  if (statements.rotatedIds.has(id)) statements.removeRotated.run(id)
}

/**
 * Writes the name of the content of a row, or removes it, if it has changed. Returns what is to be called after the commit: if the
 * transaction fails, the write is repeated.
 */
export function storePlace(statements: Statements, row: PlaceRow, id: bigint): (() => void) | undefined {
  const { places } = statements
  const values = placeValues(row, id)
  if (values === undefined) return removePlace(statements, id)
  const text = values.slice(1).join()
  if (places.get(id) === text) return undefined
  statements.place.run(...values)
  return () => places.set(id, text)
}

/** Removes the name of the content of a row; see `storePlace`. */
export function removePlace(
  { places, removePlace: remove }: Statements,
  id: bigint,
): (() => void) | undefined {
  if (!places.has(id)) return undefined
  remove.run(id)
  return () => places.delete(id)
}
