import { Malformed } from '../../../core/malformed.ts'
import { noAnswer } from '../../../lib/http-output/acceptance.ts'
import type { Answer } from '../../../lib/http-output/api.ts'
import { BYTES, ProtoCursor, VARINT } from '../../../protocol/otlp/proto-cursor.ts'
import { type PartialSuccess, readJsonResponse } from './json-response.ts'

/** Size of what is read of an answer: clients need not read more than 4 MB, and messages are short. */
const MAX_BYTES = 65_536
const MAX_MESSAGE = 300

/**
 * Reads an ExportLogsServiceResponse, in protobuf or JSON: `1 partial_success (1 rejected_log_records, 2 error_message)`. An empty body means
 * that all are taken. Throws for anything else, a google.rpc.Status among it, and for an answer that is cut.
 */
export async function readPartialSuccess(answer: Answer): Promise<PartialSuccess> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of answer.body) {
    bytes += piece.length
    if (bytes > MAX_BYTES) throw new Error(`it is longer than ${MAX_BYTES} bytes`)
    pieces.push(piece)
  }
  const body = Buffer.concat(pieces)
  const coding = answer.header('content-encoding')?.trim().toLowerCase() ?? ''
  if (bytes > 0 && coding !== '' && coding !== 'identity') throw new Error('its coding was not asked for')
  if (/^\s*</.test(body.toString('latin1', 0, 100))) throw new Error('it is an HTML or XML page')
  const isProtobuf = PROTOBUF.test(answer.header('content-type') ?? '')
  try {
    // A type that says something else, or none, is common with a body that is right.
    if (!isProtobuf && /^\s*\{/.test(body.toString('latin1', 0, 100))) return readJsonResponse(body)
    return fromProtobuf(body, !isProtobuf)
  } catch (error) {
    if (isProtobuf || !(error instanceof Malformed)) throw error
    throw noAnswer(body)
  }
}

const PROTOBUF = /^application\/(?:x-)?protobuf\b/i
/** Fields of a google.rpc.Status; the first is one of the answer, too, with another type. */
const STATUS_FIELDS = 3

/** Reads the message; with `isStrict` it may have no fields that later versions of the protocol could add. */
function fromProtobuf(body: Buffer, isStrict: boolean): PartialSuccess {
  const found = { rejected: 0, message: '' }
  let parts = 0
  const outer = new ProtoCursor()
  outer.begin(body, 0, body.length)
  while (outer.next()) {
    const isPart = outer.field === 1 && outer.wire === BYTES
    if (!isPart && (isStrict || outer.field <= STATUS_FIELDS))
      throw new Malformed(`it has the protobuf field ${outer.field}, as an error has`)
    if (!isPart) continue
    if (++parts > 1) throw new Malformed('it has partial_success twice')
    const inner = new ProtoCursor()
    inner.begin(body, outer.start, outer.stop)
    while (inner.next()) {
      if (inner.field === 1 && inner.wire === VARINT)
        found.rejected = checkedCount(inner.high * 0x100000000 + inner.low)
      else if (inner.field === 2 && inner.wire === BYTES)
        found.message = body.toString('utf8', inner.start, Math.min(inner.stop, inner.start + MAX_MESSAGE))
      else if (isStrict || inner.field <= 2)
        throw new Malformed(`its partial_success has the field ${inner.field} in another form`)
    }
  }
  return found
}

function checkedCount(count: number): number {
  if (!Number.isSafeInteger(count) || count < 0) throw new Error('its number of rejected records is none')
  return count
}
/** Returns the message of a google.rpc.Status (`1 code  2 message`) in the beginning of a body, in either form. */
export function statusText(text: string): string {
  const json = /"message"\s*:\s*"((?:[^"\\]|\\.){1,500})"/.exec(text)?.[1]
  if (json !== undefined) return json.replace(/\\(["\\/])/g, '$1')
  // The heads of protobuf are control characters, which were escaped, or the letter of a length.
  const status = /^.{0,16}?\\x12(?:\\x[0-9a-f]{2}|\\[nrt]|.)(?:\\x0[1-9a-f])?(.*)$/.exec(text)
  return status?.[1] ?? text
}
