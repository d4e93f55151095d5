import { Reader } from 'mmdb-lib'
import { reasonOf, ShipperError } from '../../../core/error.ts'
import { close, FsFailure, openFile, read } from '../../../lib/fs/file-system.ts'
import { DataSection, MISSING, type PathStep } from './data-section.ts'

/** Maximum size of a database, which is held in memory. The largest that are sold have 500 MB. */
const MAX_DATABASE_BYTES = 1_000_000_000
/** The metadata is within so many bytes of the end. */
const MAX_METADATA_BYTES = 131_072
const MARKER = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1')
/** Bytes between the search tree and the data. */
const SEPARATOR_BYTES = 16
const FORMAT_VERSION = 2

/**
 * A MaxMind database (.mmdb). The library reads the metadata and searches the tree; the data, which may be of any size and lead
 * anywhere, is read by `DataSection`.
 */
export class Database {
  readonly data: DataSection
  readonly #reader: Reader<never>
  readonly #isIpv4: boolean
  /** Offset of the data that the library was about to decode. */
  #found = MISSING

  /** Throws an Error when the content is no database. */
  constructor(content: Buffer) {
    const start = metadataStart(content)
    const { nodes, recordBits, ipVersion } = readMetadata(content, start)
    const treeBytes = (nodes * recordBits) / 4
    const dataEnd = start - MARKER.length
    if (treeBytes + SEPARATOR_BYTES > dataEnd) throw new Error('it ends before its search tree does')
    this.#isIpv4 = ipVersion === 4
    this.data = new DataSection(content, treeBytes + SEPARATOR_BYTES, dataEnd)
    // What is in the cache is not decoded: the library then returns the offset.
    const cache = {
      get: (offset: string | number) => {
        this.#found = Number(offset)
        return NOTHING
      },
      set: () => undefined,
    }
    this.#reader = new Reader<never>(content, { cache })
  }

  /** Reads a file; throws E_CONFIG_BAD_VALUE when it is not there or is no database. */
  static read(path: string): Database {
    const content = readFile(path)
    if (content instanceof FsFailure) {
      throw bad(
        `cannot read the database ${path}: ${content.message}`,
        'let Database name a .mmdb file that this user may read',
      )
    }
    try {
      return new Database(content)
    } catch (error) {
      throw bad(
        `${path} is not a MaxMind database: ${reasonOf(error)}`,
        'fetch it again; a compressed file has to be unpacked',
      )
    }
  }

  /** Returns the offset of the data for an address, IPv4 in dotted form or IPv6; MISSING: there is none. */
  find(address: string): number {
    if (this.#isIpv4 && address.includes(':')) return MISSING
    this.#found = MISSING
    this.#reader.get(address)
    return this.#found
  }
}

const NOTHING = { value: null, offset: 0 }

function readFile(path: string): Buffer | FsFailure {
  const opened = openFile(path)
  if (opened instanceof FsFailure) return opened
  const { fd, stat } = opened
  try {
    if (stat.size > BigInt(MAX_DATABASE_BYTES))
      return new FsFailure('TOO_LARGE', `it has more than ${MAX_DATABASE_BYTES} bytes`)
    const content = Buffer.allocUnsafeSlow(Number(stat.size))
    for (let at = 0; at < content.length; ) {
      const size = read(fd, content, at, content.length - at, at)
      if (size instanceof FsFailure) return size
      if (size === 0) return new FsFailure('TRUNCATED', 'it became shorter while it was read')
      at += size
    }
    return content
  } finally {
    close(fd)
  }
}

/** Returns the offset of the metadata: after the last marker, where the library finds it too. */
function metadataStart(content: Buffer): number {
  const marker = content.lastIndexOf(MARKER)
  const start = marker + MARKER.length
  if (marker < 0 || content.length - start > MAX_METADATA_BYTES)
    throw new Error('there is no metadata at its end')
  if (libraryStart(content) !== start) throw new Error('its metadata is damaged')
  return start
}

/**
 * Returns the offset at which the library looks for the metadata. Its search backwards does not begin anew with a byte that ends an
 * attempt, so it can pass over a marker, and would then decode something that was not checked.
 */
function libraryStart(content: Buffer): number {
  let matched = 0
  let at = content.length - 1
  while (matched < MARKER.length && at-- > 0)
    matched = content[at] === MARKER[MARKER.length - 1 - matched] ? matched + 1 : 0
  return at + matched
}

const pathTo = (name: string): PathStep[] => [{ key: Buffer.from(name), index: undefined }]

function readMetadata(
  content: Buffer,
  start: number,
): { nodes: number; recordBits: number; ipVersion: number } {
  const metadata = new DataSection(content, start, content.length)
  if (!metadata.isSound(start)) throw new Error('its metadata is damaged')
  const number = (name: string): number => metadata.integer(start, pathTo(name)) ?? -1
  const nodes = number('node_count')
  const recordBits = number('record_size')
  const ipVersion = number('ip_version')
  if (number('binary_format_major_version') !== FORMAT_VERSION)
    throw new Error(`its format is not version ${FORMAT_VERSION}`)
  if (nodes < 1 || ![24, 28, 32].includes(recordBits) || ![4, 6].includes(ipVersion))
    throw new Error('its metadata is damaged')
  return { nodes, recordBits, ipVersion }
}

function bad(message: string, hint: string): ShipperError {
  return new ShipperError('E_CONFIG_BAD_VALUE', message, { option: 'database', hint })
}
