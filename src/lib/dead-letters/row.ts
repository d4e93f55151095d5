import type { Origin } from '../../core/chunk.ts'
import { FsFailure, writeAt } from '../fs/file-system.ts'
import { base64Length } from '../text/base64.ts'

/** Why a record is in the dead letters of an output: the reasons of its counter `dead_letters`. */
export const OUTPUT_CAUSES = {
  rejected: 'the peer will never accept the record',
  retry_limit: 'its chunk has used up Retry_Limit',
  destination: 'the destination that its tag or it has chosen was refused for Dead_Letter_After',
} as const

/** The same of a filter. */
export const FILTER_CAUSES = {
  filter: 'the filter failed on the record',
} as const

export type OutputCause = keyof typeof OUTPUT_CAUSES
export type DeadLetterCause = OutputCause | keyof typeof FILTER_CAUSES

/** A row of a dead-letter file, without its mark. */
export interface DeadLetter {
  /** Time at which the record was given up, as ISO 8601. */
  time: string
  cause: DeadLetterCause
  /** Code and message of the error. */
  code: string
  reason: string
  tag: string
  input: string
  /**
   * File of the record, and the bytes of it that were in the record's chunk: which of them are the record's is
   * not known. Left out for inputs without files.
   */
  origin?: Origin
  /** The same where the chunk has records of several files; the first ones. */
  origins?: readonly Origin[]
  /** Name of the output, or with the cause `filter` of the filter, that has given the record up. */
  output: string
  chunk: string
  /** Time of the record as ISO 8601, if it can be read. */
  record_time?: string
  /** The entry `[time, map]` as MessagePack, in base64: the bytes that the output or filter got. */
  record: string
}

/**
 * Beginning of each row. A row is one line of JSON:
 *
 * ```
 *   {"replayed":0,"time":"2026-...","cause":"rejected", ... ,"record":"kte..."}
 *               ^ MARK_AT: becomes 1, in place, when the row was replayed
 * ```
 * So the mark is one byte in the inode: it is set at once or not at all, and stays right when the agent
 * appends to the file or renames it in the meantime.
 */
export const ROW_START = '{"replayed":'
const MARK_AT = ROW_START.length
const REPLAYED = Buffer.from('1')

/** Returns a row as a complete line. */
export function encodeRow(letter: DeadLetter): Buffer {
  return Buffer.from(`${ROW_START}0,${JSON.stringify(letter).slice(1)}\n`)
}

/** A row in pieces: a large record would be several times in memory otherwise, as itself, as text and as bytes of text. */
export interface PiecedRow {
  /** Sum of the lengths of the pieces. */
  readonly length: number
  /** Each is valid until the next one. */
  pieces(): Iterable<Buffer>
}

/** Bytes of a record in one piece, a multiple of 3. */
const PIECE_BYTES = 196_608

/** Returns the row as `encodeRow` makes it, of the entry `buf[start, end)`. */
export function pieceRow(
  letter: Omit<DeadLetter, 'record'>,
  buf: Buffer,
  start: number,
  end: number,
): PiecedRow {
  const head = Buffer.from(`${ROW_START}0,${JSON.stringify(letter).slice(1, -1)},"record":"`)
  const tail = Buffer.from('"}\n')
  return {
    length: head.length + base64Length(end - start) + tail.length,
    *pieces() {
      yield head
      for (let at = start; at < end; at += PIECE_BYTES)
        yield Buffer.from(buf.toString('base64', at, Math.min(end, at + PIECE_BYTES)), 'latin1')
      yield tail
    },
  }
}

/** Returns true when a line has the mark of a replayed row. */
export function isReplayed(line: Buffer): boolean {
  return line[MARK_AT] === REPLAYED[0] && line.toString('latin1', 0, MARK_AT) === ROW_START
}

/** Returns the row of a line, or undefined when it is none: a damaged line, or one of another program. */
export function parseRow(line: Buffer): DeadLetter | undefined {
  if (line.toString('latin1', 0, MARK_AT) !== ROW_START) return undefined
  let row: unknown
  try {
    row = JSON.parse(line.toString())
  } catch {
    return undefined
  }
  const texts = TEXTS.map((key) => (row as Record<string, unknown>)[key])
  return texts.every((text) => typeof text === 'string') ? (row as DeadLetter) : undefined
}

const TEXTS = ['time', 'cause', 'code', 'reason', 'tag', 'input', 'output', 'chunk', 'record'] as const

/** Marks the row at `offset` of a file as replayed. Returns undefined on success. */
export function markReplayed(fd: number, offset: number): FsFailure | undefined {
  const written = writeAt(fd, REPLAYED, offset + MARK_AT)
  return written instanceof FsFailure ? written : undefined
}
