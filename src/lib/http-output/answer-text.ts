import { escapeControls } from '../../core/escape-controls.ts'
import { freeReceived } from '../http/free-received.ts'
import type { SenderResponse } from './api.ts'

/** Size of what is read of an answer that is no success (an error may name each of many records), and of one whose text does not matter. */
const MAX_TEXT_BYTES = 65_536
const MAX_DRAINED_BYTES = 65_536
/** Maximum wait for such a text: the status has already said what has to be known. */
const MAX_TEXT_MS = 5000

/** Returns the beginning of a body as a line of text; what cannot be read, or does not come within `limitMs`, is left out. */
export async function beginningOf(response: SenderResponse, limitMs: number): Promise<string> {
  const pieces: Buffer[] = []
  await readSome(response, limitMs, MAX_TEXT_BYTES, (piece) => pieces.push(piece))
  const all = Buffer.concat(pieces)
  const text = all.toString('utf8', 0, Math.min(all.length, MAX_TEXT_BYTES))
  return escapeControls(text.trim().replace(/\s+/g, ' '))
}

/**
 * Reads a body whose text does not matter to its end, so that the connection can be used again; not a large or slow one. Returns false
 * when it does not come to an end.
 */
export function drain(response: SenderResponse, limitMs: number): Promise<boolean> {
  return readSome(response, limitMs, MAX_DRAINED_BYTES, freeReceived)
}

/** Reads a body up to a number of bytes and for some time; returns true when that was all of it. */
async function readSome(
  response: SenderResponse,
  limitMs: number,
  maxBytes: number,
  onPiece: (piece: Buffer) => void,
): Promise<boolean> {
  let bytes = 0
  let isOver = false
  const timer = setTimeout(
    () => {
      isOver = true
      response.discard()
    },
    Math.min(MAX_TEXT_MS, limitMs),
  )
  try {
    for await (const piece of response.body) {
      onPiece(piece)
      bytes += piece.length
      if (isOver || bytes >= maxBytes) return false
    }
    return !isOver
  } catch {
    // The status says what has to be known.
    return false
  } finally {
    clearTimeout(timer)
  }
}
