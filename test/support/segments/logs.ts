import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Chunk, headRoom, type Origin, TAIL_ROOM } from '../../../src/core/chunk.ts'
import type { Logger } from '../../../src/core/services.ts'
import { openSegmentLog, type SegmentLogOptions } from '../../../src/lib/segments/open-log.ts'
import {
  type Damage,
  isStoredChunk,
  type OutputState,
  type Position,
  type SegmentLog,
  type StoredChunk,
} from '../../../src/lib/segments/types.ts'
import { LooseBuffers } from '../engine/chunk-of.ts'

/** Creates a chunk whose entries are `text`. */
export function textChunk(
  text: string | Buffer,
  options: { tag?: string; input?: string; count?: number; origins?: Origin[]; hasMetadata?: boolean } = {},
): Chunk {
  const { tag = 'app', input = 'tcp.0', count = 1, origins = [], hasMetadata = false } = options
  const buffers = new LooseBuffers()
  const start = headRoom(tag)
  const size = Buffer.byteLength(text)
  const buf = buffers.force(start + size + TAIL_ROOM)
  Buffer.from(text).copy(buf, start)
  const id = typeof text === 'string' ? `id-${text.slice(0, 40)}` : 'id'
  const init = {
    tag,
    input,
    buf,
    start,
    end: start + size,
    count,
    id,
    inputBytes: size,
    origins,
    hasMetadata,
  }
  return new Chunk(init, buffers)
}

export interface OpenedLog {
  log: SegmentLog
  damage: Damage[]
  /** Lines that were logged. */
  lines: string[]
  locks: string[]
}

/** Opens a log with collected damage and lines. */
export function openLog(folder: string, options: Partial<SegmentLogOptions> = {}): OpenedLog {
  const damage: Damage[] = []
  const lines: string[] = []
  const locks: string[] = []
  const line = (message: string): void => void lines.push(message)
  const logger: Logger = { error: line, warn: line, info: line, debug: line }
  const log = openSegmentLog({
    folder,
    outputs: ['a', 'b'],
    takeLock: (path) => {
      locks.push(path)
      return { release: () => void locks.pop() }
    },
    log: logger,
    onDamage: (each) => void damage.push(each),
    deletesDamaged: false,
    ...options,
  })
  return { log, damage, lines, locks }
}

export const START: Position = { segment: 0, offset: 0 }

export function stateAt(position: Position, open: Position[] = []): OutputState {
  return { position, open }
}

/** A chunk that was read back. */
export interface ReadChunk {
  chunk: StoredChunk
  text: string
}

/** Reads all chunks for an output from a place on. */
export function readAll(log: SegmentLog, output: string, from: Position = START): ReadChunk[] {
  const found: ReadChunk[] = []
  for (let at = from; ; ) {
    const chunk = log.find(output, at)
    if (!isStoredChunk(chunk)) return found
    const buf = Buffer.alloc(chunk.bytes + 3)
    if (log.read(chunk, buf, 2)) found.push({ chunk, text: buf.toString('latin1', 2, 2 + chunk.bytes) })
    at = chunk.next
  }
}

export function textsOf(log: SegmentLog, output: string, from: Position = START): string[] {
  return readAll(log, output, from).map(({ text }) => text)
}

/** The content of the files of a folder. */
export type Files = ReadonlyMap<string, Buffer>

export function filesIn(folder: string): Files {
  return new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]))
}

/** Makes a folder with these files and nothing else. */
export function writeFiles(folder: string, files: Files): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  for (const [name, content] of files) writeFileSync(join(folder, name), content)
}
