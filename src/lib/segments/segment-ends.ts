import { close, FsFailure, isMissing, NOT_A_FILE, openDirectly, readAt } from '../fs/file-system.ts'
import { bufferError } from './failure.ts'
import {
  decodeFooter,
  decodeHeader,
  type Footer,
  footerSize,
  headerSizeAt,
  nextHeader,
  type SegmentHead,
} from './segment-codec.ts'

/** What both ends of a file say. */
export interface Ends {
  fileBytes: number
  head?: SegmentHead
  footer?: Footer
  /** Why the disk could not read all of what is needed here. */
  failure?: FsFailure
  /** Version of a newer format. */
  newer?: number
  /** True when the file is as a process that was killed while it wrote the headers, or a power failure, leaves it: nothing follows them. */
  isBegun?: boolean
}

const FIRST_BYTES = 4096
/** Bytes in which the second header is looked for when the first one is damaged. */
const MAX_HEADERS_BYTES = 9 << 20
const LAST_BYTES = 4096
/** Failures of the disk after which a file counts as damaged. */
const MAX_TRIES = 4

/** True when a link, a folder, or the like has the name of a file. */
export function isOther({ code }: FsFailure): boolean {
  return code === NOT_A_FILE || code === 'ELOOP' || code === 'EISDIR' || code === 'ENXIO'
}

/** Reads what is at both ends of a file of the folder; undefined when it is gone. */
export function readEnds(folder: string, path: string): Ends | undefined {
  const opened = openDirectly(path)
  if (opened instanceof FsFailure) {
    if (isMissing(opened) || isOther(opened)) return undefined
    throw bufferError(`open ${path} in`, folder, opened)
  }
  const fileBytes = Number(opened.stat.size)
  let failure: FsFailure | undefined
  const part = (position: number, end: number): Buffer => {
    const buf = Buffer.alloc(Math.max(0, Math.min(end, fileBytes) - position))
    for (let i = 1; ; i++) {
      const got = readAt(opened.fd, buf, position)
      if (!(got instanceof FsFailure)) return buf.subarray(0, got)
      if (got.code !== 'EIO') throw bufferError(`read ${path} in`, folder, got)
      if (i < MAX_TRIES) continue
      failure = got
      return Buffer.alloc(0)
    }
  }
  try {
    const ends = endsOf(fileBytes, part)
    // What was not read has not been seen to be empty.
    return failure === undefined ? ends : { ...ends, failure, isBegun: false }
  } finally {
    close(opened.fd)
  }
}

function endsOf(fileBytes: number, part: (position: number, end: number) => Buffer): Ends {
  const footer = readFooter(fileBytes, part)
  const head = readHeader(fileBytes, part)
  if (head !== undefined && 'version' in head) return { fileBytes, newer: head.version }
  if (head !== undefined) {
    const isOwn = footer?.head.number === head.number && footer.head.seed === head.seed
    return isOwn ? { fileBytes, head, footer } : { fileBytes, head }
  }
  if (footer !== undefined) return { fileBytes, head: footer.head, footer }
  return { fileBytes, isBegun: isBegun(fileBytes, part) }
}

function readFooter(fileBytes: number, part: (position: number, end: number) => Buffer): Footer | undefined {
  const end = part(Math.max(0, fileBytes - LAST_BYTES), fileBytes)
  const size = footerSize(end)
  if (size === undefined || size > fileBytes) return undefined
  return decodeFooter(size > end.length ? part(fileBytes - size, fileBytes) : end, fileBytes)
}

function readHeader(
  fileBytes: number,
  part: (position: number, end: number) => Buffer,
): ReturnType<typeof decodeHeader> {
  let buf = part(0, FIRST_BYTES)
  const size = headerSizeAt(buf, 0)
  if (size !== undefined && size > buf.length) buf = part(0, size)
  const first = decodeHeader(buf, 0)
  if (first !== undefined || fileBytes === 0) return first
  const headers = part(0, MAX_HEADERS_BYTES)
  for (let at = nextHeader(headers, 1); at >= 0; at = nextHeader(headers, at + 1)) {
    const second = decodeHeader(headers, at)
    if (second !== undefined) return second
  }
  return undefined
}

function isBegun(fileBytes: number, part: (position: number, end: number) => Buffer): boolean {
  const size = headerSizeAt(part(0, FIRST_BYTES), 0)
  if (fileBytes < MIN_HEADER_BYTES || (size !== undefined && fileBytes < size)) return true
  // One page without the headers is damage, and not a beginning: what follows it may have been acknowledged.
  for (let at = 0; at < fileBytes; at += BLOCK_BYTES) {
    const block = part(at, at + BLOCK_BYTES)
    if (block.length === 0 || !block.equals(ZEROS.subarray(0, block.length))) return false
  }
  return true
}

const BLOCK_BYTES = 65_536
const ZEROS = Buffer.alloc(BLOCK_BYTES)

const MIN_HEADER_BYTES = 56
