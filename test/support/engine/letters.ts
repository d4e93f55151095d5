import { Chunk, headRoom, TAIL_ROOM } from '../../../src/core/chunk.ts'
import { ShipperError } from '../../../src/core/error.ts'
import { systemClock } from '../../../src/engine/clock.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { DeadLetters } from '../../../src/engine/dead-letters/dead-letters.ts'
import { DeadLetterFile } from '../../../src/engine/dead-letters/file.ts'
import { LooseBuffers } from './chunk-of.ts'
import { listLog } from './chunks.ts'

export interface Letter {
  output?: string
  tag?: string
  /** Bytes of an entry. */
  entry: Buffer
}

/** Writes records to a dead-letter file, as an agent does; `limitBytes` determines the size of its parts. */
export async function writeLetters(path: string, letters: Letter[], limitBytes = 100_000_000): Promise<void> {
  const file = new DeadLetterFile(path, limitBytes)
  const common = { place: file, clock: systemClock, log: listLog().log, counters: new CounterMap() as never }
  for (const { output = 'out.0', tag = 't', entry } of letters) {
    const keeper = new DeadLetters({ ...common, owner: output })
    const chunk = chunkOfEntries([entry], tag)
    keeper.keep(chunk, chunk.start, chunk.end, new ShipperError('E_OUTPUT_REJECTED', 'no'), 'rejected')
  }
  await file.sync()
}

/** Returns a chunk of these entries. */
export function chunkOfEntries(entries: Buffer[], tag: string): Chunk {
  const buffers = new LooseBuffers()
  const bytes = Buffer.concat(entries)
  const start = headRoom(tag)
  const buf = buffers.force(start + bytes.length + TAIL_ROOM)
  const end = start + bytes.copy(buf, start)
  const init = { tag, input: 'in.0', buf, start, end, count: entries.length, id: 'id', inputBytes: 1 }
  return new Chunk(init, buffers)
}
