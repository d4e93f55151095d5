import { escapeControls, escapeJsonControls } from '../../core/escape-controls.ts'
import { entryMap } from '../../core/msgpack/record.ts'
import type { DeadLetter } from '../../lib/dead-letters/row.ts'
import { FsFailure, stat } from '../../lib/fs/file-system.ts'
import { JsonText } from '../../lib/json/msgpack-to-json.ts'
import { filesAt, recordOf, rowsIn } from './rows.ts'

interface Group {
  rows: number
  first: string
  last: string
  reason: string
}

/** Returns a table of the files at a path: for each the rows that wait for a replay, by output and cause. */
export function listLetters(path: string): string {
  const lines: string[] = []
  const files = filesAt(path)
  if (files.length === 0) lines.push(`${path} has no dead-letter files`)
  for (const file of files) {
    const found = stat(file.path)
    if (files.length > 1 && !(found instanceof FsFailure) && !found.isFile()) {
      lines.push(`${file.path}: is not a regular file`)
      continue
    }
    const groups = new Map<string, Group>()
    let replayed = 0
    let unreadable = 0
    for (const { row, isReplayed } of rowsIn(file.path)) {
      if (row === undefined) unreadable++
      else if (isReplayed) replayed++
      else {
        const key = `${row.output}  ${row.cause}`
        const group = groups.get(key)
        if (group === undefined)
          groups.set(key, { rows: 1, first: row.time, last: row.time, reason: row.reason })
        else {
          group.rows++
          group.last = row.time
          group.reason = row.reason
        }
      }
    }
    const waiting = [...groups.values()].reduce((n, { rows }) => n + rows, 0)
    const other =
      unreadable === 0
        ? ''
        : `, ${unreadable} ${unreadable === 1 ? 'line is no row' : 'lines are no rows'} of this version`
    lines.push(`${file.path}: ${waiting} to replay, ${replayed} replayed${other}`)
    for (const [key, { rows, first, last, reason }] of groups)
      lines.push(`  ${key}  ${rows} from ${first} to ${last}, the last: ${reason}`)
  }
  return lines.map((line) => `${escapeControls(line)}\n`).join('')
}

/**
 * Writes the rows at a path as JSON lines for people, the record decoded; at most `limit` that are not replayed. Returns
 * how many lines before the last one are no rows of this version.
 */
export async function showLetters(
  path: string,
  limit: number,
  write: (text: string) => Promise<unknown>,
): Promise<number> {
  let left = limit
  let unreadable = 0
  for (const file of filesAt(path)) {
    for (const { row, isReplayed } of rowsIn(file.path)) {
      if (row === undefined) unreadable++
      if (row === undefined || isReplayed) continue
      if (left-- <= 0) return unreadable
      const { record: _, ...fields } = row
      await write(`${escapeJsonControls(JSON.stringify(fields)).slice(0, -1)},"record":${recordText(row)}}
`)
    }
  }
  return unreadable
}

const text = new JsonText()
text.escapesControls = true

/** Returns the map of the entry as JSON; what is no entry stays base64, as a string. */
function recordText(row: DeadLetter): string {
  const bytes = recordOf(row)
  if (bytes === undefined) return escapeJsonControls(JSON.stringify(row.record))
  text.reset()
  text.value(bytes, entryMap(bytes, 0, bytes.length))
  return text.bytes().toString()
}
