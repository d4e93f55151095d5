import { escapeControls } from '../../core/escape-controls.ts'
import { JsonEvents } from '../json/json-events.ts'
import type { Answer } from './api.ts'

/** Longest part of an error that is told, in characters. */
const MAX_WORDS = 200

/** Called for each scalar of an answer: the number of objects and arrays around it, the name of the member, and its text. */
type OnScalar = (depth: number, key: string, text: string, isString: boolean) => void

/** Called for each object and array of an answer, as OnScalar. */
type OnOpen = (depth: number, key: string, isArray: boolean) => void

/**
 * Reads an answer that has to be JSON to its end, of whatever size, and keeps nothing of it. Returns false for an empty one; throws an
 * Error for one that is cut off, or is something else, such as the page of a proxy, or that has a member `error` or `errors` with
 * anything in it: an answer that says both that records are taken and that they are not leaves open what became of them.
 */
export async function readJsonAnswer(
  { body }: Answer,
  onScalar: OnScalar = () => {},
  onOpen: OnOpen = () => {},
): Promise<boolean> {
  /** In a member with errors. */
  let isInErrors = false
  /** The first text of an error; empty when an error has none. */
  let error: string | undefined
  const events = new JsonEvents({
    scalar: (depth, key, text, isString) => {
      const isOwn =
        depth === 1 && isError(key) && (isString ? text !== '' : text !== 'null' && text !== 'false')
      if (isOwn || isInErrors) error = error || (isString ? text : '')
      onScalar(depth, key, text, isString)
    },
    open: (depth, key, isArray) => {
      if (isInErrors) error ??= ''
      if (depth === 1 && isError(key)) isInErrors = true
      onOpen(depth, key, isArray)
    },
    close: (depth) => {
      if (depth === 1) isInErrors = false
    },
  })
  let isEmpty = true
  for await (const piece of body) {
    if (piece.length > 0) isEmpty = false
    events.write(piece)
  }
  if (!isEmpty && !events.isComplete) throw new Error('it ends before its end')
  if (error !== undefined) throw new Error(`it has an error: ${escapeControls(error.slice(0, MAX_WORDS))}`)
  return !isEmpty
}

function isError(key: string): boolean {
  return key === 'error' || key === 'errors'
}
