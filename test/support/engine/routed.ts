import { decodeMulti } from '@msgpack/msgpack'
import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { skip } from '../../../src/core/msgpack/encode.ts'
import type { Ack, Deferral, Filter } from '../../../src/core/plugin.ts'
import { Budget } from '../../../src/engine/budget.ts'
import type { RecordTest } from '../../../src/lib/records/condition.ts'
import { chunkOf, recordsOf } from './chunk-of.ts'

/** A record of the tests of routing: `n` numbers it. */
export type Numbered = { n: number; level?: string }

/** Returns a condition on the decoded record. */
export function when(test: (record: Numbered) => boolean): RecordTest {
  return {
    test: (buf, entry, end) => {
      const [decoded] = decodeMulti(buf.subarray(entry, end))
      return test((decoded as [unknown, Numbered])[1])
    },
  }
}

/** Returns a filter that keeps some records, in place, and hands over the others. */
export function keep(
  test: (record: Numbered) => boolean,
  leaveOut: (chunk: Chunk, start: number, end: number) => void = () => {},
): Filter {
  const condition = when(test)
  return {
    apply: (chunk) => {
      let to = chunk.start
      let count = 0
      for (let at = chunk.start; at < chunk.end; ) {
        const end = skip(chunk.buf, at, chunk.end)
        if (condition.test(chunk.buf, at, end)) {
          to += chunk.buf.copy(chunk.buf, to, at, end)
          count++
        } else leaveOut(chunk, at, end)
        at = end
      }
      chunk.end = to
      chunk.count = count
    },
  }
}

/** Returns a filter that writes each record twice, into another buffer. */
export function twice(): Filter {
  return {
    apply: (chunk, { buffers }) => {
      const start = headRoom(chunk.tag)
      const buf = buffers.force(start + chunk.size * 2 + TAIL_ROOM)
      let to = start
      for (let at = chunk.start; at < chunk.end; ) {
        const end = skip(chunk.buf, at, chunk.end)
        to += chunk.buf.copy(buf, to, at, end)
        to += chunk.buf.copy(buf, to, at, end)
        at = end
      }
      chunk.replace(buf, start, to, chunk.count * 2)
    },
  }
}

/** Keeps back the last record of each chunk, until `flush` or `close`. */
export class DeferLast implements Filter {
  emit: (chunk: Chunk, deferral: Deferral, ack: Ack) => void = () => {}
  #held: { chunk: Chunk; deferral: Deferral; ack: Ack }[] = []

  apply(chunk: Chunk, deferral: Deferral): void {
    let last = chunk.start
    for (let at = chunk.start; at < chunk.end; at = skip(chunk.buf, at, chunk.end)) last = at
    const held = chunk.emptyCopy(`${chunk.id}+${last - chunk.start}`, chunk.end - last)
    held.append(chunk, last, chunk.end, 1)
    chunk.end = last
    chunk.count--
    this.#held.push({ chunk: held, deferral, ack: deferral.defer() })
  }

  flush(): void {
    for (const { chunk, deferral, ack } of this.#held.splice(0)) this.emit(chunk, deferral, ack)
  }

  close(): void {
    for (const { chunk, ack } of this.#held.splice(0)) {
      chunk.release()
      ack('aborted')
    }
  }
}

export function account() {
  return new Budget(100_000_000, 65_536).account(100_000_000)
}

/** Returns a chunk of numbered records with an id. */
export function numbered(
  records: Numbered[],
  id: string,
  from: ReturnType<typeof account>,
  options: { tag?: string; input?: string } = {},
): Chunk {
  const { tag = 't', input = 'in.0' } = options
  const made = chunkOf(records, tag)
  const buf = from.force(made.end + TAIL_ROOM)
  made.buf.copy(buf, 0, 0, made.end)
  const { start, end, count } = made
  const origins = [{ file: '/log', offset: 0, end: 9 }]
  return new Chunk({ tag, input, buf, start, end, count, id, inputBytes: made.size, origins }, from)
}

export function numbersOf(chunk: Chunk): number[] {
  return recordsOf(chunk).map(({ n }) => n as number)
}

/** Returns the numbers from `from` to `to`. */
export function range(from: number, to: number): Numbered[] {
  return Array.from({ length: to - from + 1 }, (_, i) => ({ n: from + i }))
}
