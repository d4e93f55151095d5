import { decode, encode } from '@msgpack/msgpack'
import { ByteWriter } from '../../src/lib/ruby/byte-writer.ts'
import { compileRuby } from '../../src/lib/ruby/compile.ts'
import { encodeValue } from '../../src/lib/ruby/encode.ts'
import { parseRuby } from '../../src/lib/ruby/parse.ts'
import { type Scope, setTag } from '../../src/lib/ruby/scope.ts'

const ENVIRONMENT = { REGION: 'eu', EMPTY: '' }

/** Returns what expressions see of a record. */
export function scopeOf(record: object | Buffer, tag = 'app.web.1'): Scope {
  const buf = Buffer.isBuffer(record) ? record : Buffer.from(encode(record))
  const scope: Scope = {
    buf,
    map: 0,
    end: buf.length,
    sec: 1_700_000_000,
    nsec: 123_456_789,
    tag,
    tagParts: [],
    tagPrefix: [],
    tagSuffix: [],
    hostname: 'web-1',
    nowMs: () => 1_700_000_001_500,
    budget: 1_000_000,
  }
  setTag(scope, tag)
  return scope
}

/** Evaluates an expression; returns the bytes of its value. */
export function bytesOf(expression: string, record: object | Buffer = {}, tag?: string): Buffer {
  const out = new ByteWriter()
  encodeValue(compileRuby(parseRuby(expression), { environment: ENVIRONMENT })(scopeOf(record, tag)), out)
  return Buffer.from(out.buf.subarray(0, out.at))
}

/** Evaluates an expression; integers of 64 bits are bigints. */
export function evaluated(expression: string, record: object | Buffer = {}, tag?: string): unknown {
  return decode(bytesOf(expression, record, tag), { useBigInt64: true })
}
