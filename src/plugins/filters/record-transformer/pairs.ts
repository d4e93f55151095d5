import type { Chunk } from '../../../core/chunk.ts'
import { encodeStr } from '../../../core/msgpack/encode.ts'
import { spanOf } from '../../../core/msgpack/record.ts'
import { mayHaveKey } from '../../../lib/records/may-have-key.ts'
import { ByteWriter } from '../../../lib/ruby/byte-writer.ts'
import { RubyFailure } from '../../../lib/ruby/failure.ts'
import type { Scope } from '../../../lib/ruby/scope.ts'
import type { Field } from './field.ts'

/** A configured pair: its key, and what makes its value. */
export interface ConfiguredPair {
  key: Field
  value: Field
  /** As written, for messages. */
  source: string
}

/** A pair of the records of one tag. */
interface TagPair extends ConfiguredPair {
  /** Key as MessagePack and as a name; undefined when each record has another one. */
  encodedKey: Buffer | undefined
  name: Buffer | undefined
  /** Key and value as MessagePack when they are the same for all records. */
  bytes: Buffer | undefined
  /** Value alone. */
  valueBytes: Buffer | undefined
}

/** The pairs of the records of one tag, resolved as far as they do not depend on the record. */
export class TagPairs {
  readonly tag: string
  readonly pairs: readonly TagPair[]
  /** True when all keys are the same for all records. */
  readonly hasFixedKeys: boolean
  /** Size of the pairs that are the same for all records. */
  readonly fixedBytes: number
  /** The pairs as they follow a record: runs of those that are the same for all records, and others. */
  readonly runs: readonly (Buffer | TagPair)[]

  constructor(configured: readonly ConfiguredPair[], scope: Scope) {
    this.tag = scope.tag
    const resolved = configured.map((pair) => resolve(pair, scope))
    this.hasFixedKeys = resolved.every(({ name }) => name !== undefined)
    this.pairs = this.hasFixedKeys ? withoutRepeated(resolved) : resolved
    this.runs = runsOf(this.pairs)
    this.fixedBytes = this.pairs.reduce((sum, { bytes }) => sum + (bytes?.length ?? 0), 0)
  }

  /** Returns false when no record of the chunk has a field that one of the pairs replaces. */
  mayReplace(chunk: Chunk): boolean {
    return this.pairs.some(({ encodedKey }) => encodedKey === undefined || mayHaveKey(chunk, encodedKey))
  }
}

function resolve(pair: ConfiguredPair, scope: Scope): TagPair {
  const encodedKey = fixed(pair.key, scope)
  const valueBytes = encodedKey === undefined ? undefined : fixed(pair.value, scope)
  const bytes = encodedKey && valueBytes ? Buffer.concat([encodedKey, valueBytes]) : undefined
  return { ...pair, encodedKey, name: encodedKey && nameOf(encodedKey), bytes, valueBytes }
}

/**
 * Returns the bytes of a field that is the same for all records of the tag; one that fails fails on each
 * record.
 */
function fixed(field: Field, scope: Scope): Buffer | undefined {
  if (!field.isOfTag) return undefined
  const out = new ByteWriter(256)
  try {
    field.write(scope, out)
  } catch (error) {
    if (error instanceof RubyFailure) return undefined
    throw error
  }
  return Buffer.from(out.buf.subarray(0, out.at))
}

/** Returns the text of an encoded key. */
export function nameOf(key: Buffer): Buffer {
  const span = spanOf(key, 0)
  return span === undefined ? encodeStr('') : key.subarray(span.start, span.end)
}

/** Of several pairs with one key the last value counts, at the place of the first. */
function withoutRepeated(pairs: readonly TagPair[]): TagPair[] {
  const byName = new Map<string, TagPair>()
  for (const pair of pairs) byName.set((pair.name as Buffer).toString('latin1'), pair)
  return [...byName.values()]
}

function runsOf(pairs: readonly TagPair[]): (Buffer | TagPair)[] {
  const runs: (Buffer | TagPair)[] = []
  for (const pair of pairs) {
    const last = runs.at(-1)
    if (pair.bytes === undefined) runs.push(pair)
    else if (Buffer.isBuffer(last)) runs[runs.length - 1] = Buffer.concat([last, pair.bytes])
    else runs.push(pair.bytes)
  }
  return runs
}
