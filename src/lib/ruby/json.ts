import { skip } from '../../core/msgpack/encode.ts'
import { JsonTranscoder, jsonBound, skipBlanks } from '../json/json-to-msgpack.ts'
import { JsonText } from '../json/msgpack-to-json.ts'
import { ByteWriter } from './byte-writer.ts'
import { encodeValue } from './encode.ts'
import { RubyFailure } from './failure.ts'
import { charge, type Scope } from './scope.ts'
import { readText, textBytes } from './text.ts'
import { readValue, type Value } from './values.ts'

const text = new JsonText()
const source = new ByteWriter()
const transcoder = new JsonTranscoder()

/** Returns the JSON of a value, with control characters escaped and other characters as they are. */
export function toJson(value: Value, scope: Scope): string {
  source.reset()
  encodeValue(value, source)
  if (skip(source.buf, 0, source.at) !== source.at) throw new RubyFailure('the value has no JSON')
  text.reset()
  text.value(source.buf, 0)
  charge(scope, text.at)
  return readText(text.bytes(), 0, text.at)
}

/** Returns the value of JSON text. */
export function parseJson(json: string, scope: Scope): Value {
  const bytes = textBytes(json)
  charge(scope, bytes.length)
  const out = Buffer.allocUnsafe(jsonBound(bytes.length))
  const end = transcoder.transcode(bytes, 0, bytes.length, out, 0)
  if (end < 0 || skipBlanks(bytes, transcoder.end, bytes.length) !== bytes.length)
    throw new RubyFailure(`a text of ${bytes.length} bytes is not JSON`)
  return readValue(out, 0, end)
}
