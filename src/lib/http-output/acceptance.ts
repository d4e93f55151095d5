import { escapeControls } from '../../core/escape-controls.ts'
import { JsonEvents } from '../json/json-events.ts'
import type { Answer } from './api.ts'

/** Longest part of an answer that is told, in characters. */
const MAX_WORDS = 100

/** Returns true for a member that an answer may have with which an API takes records. */
type IsKnown = (name: string, text: string, isString: boolean) => boolean

/**
 * Reads an answer that says nothing but that the records are taken: an object with no other members than known ones. Returns false for an
 * empty one. Throws an Error, which names what it is, for anything else: a proxy that has no server, or a server that has failed, may say
 * so with a status of success.
 */
export async function readAcceptance({ body }: Answer, isKnown: IsKnown): Promise<boolean> {
  const begin: Buffer[] = []
  let bytes = 0
  let unknown: string | undefined
  const events = new JsonEvents({
    scalar: (depth, key, text, isString) => {
      if (depth === 1 && isKnown(key, text, isString)) return
      unknown ??= depth === 0 ? 'no object' : `${JSON.stringify(key)} with ${JSON.stringify(text)}`
    },
    open: (depth, key, isArray) => {
      if (depth === 0 ? isArray : true) unknown ??= depth === 0 ? 'no object' : JSON.stringify(key)
    },
    close: () => {},
  })
  for await (const piece of body) {
    if (bytes < MAX_WORDS) begin.push(piece)
    bytes += piece.length
    try {
      events.write(piece)
    } catch {
      throw noAnswer(Buffer.concat(begin))
    }
  }
  if (bytes === 0) return false
  // Ends a word or a number.
  events.write(Buffer.from('\n'))
  if (!events.isComplete) throw new Error('it ends before its end')
  if (unknown === 'no object') throw noAnswer(Buffer.concat(begin))
  if (unknown !== undefined)
    throw new Error(`it has ${escapeControls(unknown.slice(0, MAX_WORDS))}, which the API does not send`)
  return true
}

/** Returns the error for an answer of something else, with its beginning. */
export function noAnswer(body: Buffer): Error {
  const begin = body.toString('utf8', 0, MAX_WORDS).trim()
  return new Error(`it is not an answer of this API: "${escapeControls(begin)}"`)
}
