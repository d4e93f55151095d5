import { escapeControls } from '../../../core/escape-controls.ts'
import { JsonEvents } from '../../../lib/json/json-events.ts'

/** What a collector says beside 200. */
export interface PartialSuccess {
  rejected: number
  message: string
}

const MAX_MESSAGE = 300
const MAX_WORDS = 100
/** Names as the specification has them, and as some servers send them. */
const PART = 'partialSuccess'
const COUNT = 'rejectedLogRecords'
const MESSAGE = 'errorMessage'
const OTHER_NAMES: Readonly<Record<string, string>> = {
  partial_success: PART,
  rejected_log_records: COUNT,
  error_message: MESSAGE,
}

/**
 * Reads an ExportLogsServiceResponse in JSON; throws for any other object, and for one that has a member twice.
 *
 * ```
 *   {}      {"partialSuccess": null / {"rejectedLogRecords": "3" / 3, "errorMessage": ""}}
 * ```
 */
export function readJsonResponse(body: Buffer): PartialSuccess {
  const found = { rejected: 0, message: '' }
  const seen = new Set<string>()
  /** Returns the member that is meant; throws when it is not one that stands there, or is there again. */
  const member = (depth: number, key: string): string => {
    const name = OTHER_NAMES[key] ?? key
    const isKnown = depth === 1 ? name === PART : depth === 2 && (name === COUNT || name === MESSAGE)
    if (!isKnown) throw new Error(`it has the field ${words(key)}, which a collector does not send`)
    if (seen.has(name)) throw new Error(`it has ${name} twice`)
    seen.add(name)
    return name
  }
  const events = new JsonEvents({
    scalar: (depth, key, text, isString) => {
      const name = member(depth, key)
      if (!isString && text === 'null') return
      if (name === COUNT && /^\d{1,15}$/.test(text)) found.rejected = Number(text)
      else if (name === MESSAGE && isString) found.message = text.slice(0, MAX_MESSAGE)
      else throw new Error(`its ${name} is ${words(text)}`)
    },
    open: (depth, key, isArray) => {
      if (depth === 0 && !isArray) return
      if (member(depth, key) !== PART || isArray) throw new Error(`its ${words(key)} is something else`)
    },
    close: () => {},
  })
  events.write(body)
  if (!events.isComplete) throw new Error('it ends before its end')
  return found
}

function words(text: string): string {
  return escapeControls(text.slice(0, MAX_WORDS))
}
