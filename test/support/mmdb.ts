/** A value of a MaxMind database; the type of a number has to be named. */
export type MmdbValue =
  | string
  | boolean
  | Buffer
  | MmdbValue[]
  | { [key: string]: MmdbValue }
  | MmdbNumber
  | RawBytes

/** A number with its type in the format. */
export class MmdbNumber {
  readonly type: keyof typeof TYPES
  readonly value: number | bigint

  constructor(type: keyof typeof TYPES, value: number | bigint) {
    this.type = type
    this.value = value
  }
}

/** Bytes that are written as they are, e.g. a pointer. */
export class RawBytes {
  readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }
}

const TYPES = { double: 3, uint16: 5, uint32: 6, int32: 8, uint64: 9, uint128: 10, float: 15 } as const
const TEXT = 2
const BYTES = 4
const MAP = 7
const ARRAY = 11
const BOOLEAN = 14

export const uint16 = (value: number): MmdbNumber => new MmdbNumber('uint16', value)
export const uint32 = (value: number): MmdbNumber => new MmdbNumber('uint32', value)
export const uint64 = (value: bigint): MmdbNumber => new MmdbNumber('uint64', value)
export const uint128 = (value: bigint): MmdbNumber => new MmdbNumber('uint128', value)
export const int32 = (value: number): MmdbNumber => new MmdbNumber('int32', value)
export const double = (value: number): MmdbNumber => new MmdbNumber('double', value)
export const float = (value: number): MmdbNumber => new MmdbNumber('float', value)

/** Returns a pointer to an offset of the data section below 2,048. */
export const pointer = (offset: number): RawBytes =>
  new RawBytes(Buffer.of(0x20 | (offset >> 8), offset & 255))

function control(type: number, size: number): Buffer {
  const long = type > 7
  const more =
    size < 29
      ? []
      : size < 285
        ? [size - 29]
        : size < 65_821
          ? [(size - 285) >> 8, (size - 285) & 255]
          : [(size - 65_821) >> 16, ((size - 65_821) >> 8) & 255, (size - 65_821) & 255]
  const short = size < 29 ? size : 28 + more.length
  return Buffer.from([((long ? 0 : type) << 5) | short, ...(long ? [type - 7] : []), ...more])
}

/** Returns the bytes of a value. */
export function encodeMmdb(value: MmdbValue): Buffer {
  if (value instanceof RawBytes) return value.bytes
  if (value instanceof MmdbNumber) return encodeNumber(value)
  if (typeof value === 'boolean') return control(BOOLEAN, value ? 1 : 0)
  if (typeof value === 'string')
    return Buffer.concat([control(TEXT, Buffer.byteLength(value)), Buffer.from(value)])
  if (Buffer.isBuffer(value)) return Buffer.concat([control(BYTES, value.length), value])
  if (Array.isArray(value)) return Buffer.concat([control(ARRAY, value.length), ...value.map(encodeMmdb)])
  const pairs = Object.entries(value)
  return Buffer.concat([
    control(MAP, pairs.length),
    ...pairs.flatMap(([key, each]) => [encodeMmdb(key), encodeMmdb(each)]),
  ])
}

function encodeNumber({ type, value }: MmdbNumber): Buffer {
  const payload = Buffer.alloc(type === 'double' ? 8 : 4)
  if (type === 'double') payload.writeDoubleBE(Number(value))
  else if (type === 'float') payload.writeFloatBE(Number(value))
  else if (type === 'int32') payload.writeInt32BE(Number(value))
  else {
    const hex = BigInt(value).toString(16)
    const digits = value === 0 || value === 0n ? '' : hex.padStart(hex.length + (hex.length % 2), '0')
    const bytes = Buffer.from(digits, 'hex')
    return Buffer.concat([control(TYPES[type], bytes.length), bytes])
  }
  return Buffer.concat([control(TYPES[type], payload.length), payload])
}

/** A network `192.0.2.0/24`, and offset of its data in the data section, or the data. */
export interface Network {
  /** Address as bytes: 4 or 16. */
  address: readonly number[]
  prefix: number
  value: MmdbValue
}

interface Settings {
  ipVersion?: 4 | 6
  recordBits?: 24 | 28 | 32
  /** Values of the metadata that are set or replaced. */
  metadata?: { [key: string]: MmdbValue }
}

type Tree = [Tree | number | undefined, Tree | number | undefined]

/** Returns the content of a database with these networks; an IPv4 address in one of version 6 is after 96 zeros. */
export function writeMmdb(networks: readonly Network[], settings: Settings = {}): Buffer {
  const { ipVersion = 6, recordBits = 24, metadata = {} } = settings
  const root: Tree = [undefined, undefined]
  const data: Buffer[] = []
  let size = 0
  for (const { address, prefix, value } of networks) {
    const isPadded = ipVersion === 6 && address.length === 4
    const bytes = isPadded ? [...new Array(12).fill(0), ...address] : address
    insert(root, bytes, isPadded ? prefix + 96 : prefix, size)
    const encoded = encodeMmdb(value)
    data.push(encoded)
    size += encoded.length
  }
  const nodes = nodesOf(root)
  const numbers = new Map(nodes.map((node, i) => [node, i]))
  const record = (child: Tree | number | undefined): number =>
    child === undefined
      ? nodes.length
      : typeof child === 'number'
        ? nodes.length + 16 + child
        : (numbers.get(child) as number)
  const tree = nodes.map(([left, right]) => encodeNode(record(left), record(right), recordBits))
  const about = {
    binary_format_major_version: uint16(2),
    binary_format_minor_version: uint16(0),
    build_epoch: uint64(1_700_000_000n),
    database_type: 'Test-City',
    description: { en: 'test' },
    ip_version: uint16(ipVersion),
    languages: ['en'],
    node_count: uint32(nodes.length),
    record_size: uint16(recordBits),
    ...metadata,
  }
  return Buffer.concat([
    ...tree,
    Buffer.alloc(16),
    ...data,
    Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1'),
    encodeMmdb(about),
  ])
}

function insert(root: Tree, bytes: readonly number[], prefix: number, offset: number): void {
  let node = root
  for (let bit = 0; bit < prefix; bit++) {
    const side = (((bytes[bit >> 3] as number) >> (7 - (bit & 7))) & 1) as 0 | 1
    if (bit === prefix - 1) {
      node[side] = offset
      return
    }
    const next = node[side]
    if (typeof next === 'number') throw new Error('networks overlap')
    node = node[side] = next ?? [undefined, undefined]
  }
}

function nodesOf(root: Tree): Tree[] {
  const nodes = [root]
  for (let i = 0; i < nodes.length; i++)
    for (const child of nodes[i] as Tree) if (Array.isArray(child)) nodes.push(child)
  return nodes
}

function encodeNode(left: number, right: number, bits: 24 | 28 | 32): Buffer {
  const out = Buffer.alloc(bits / 4)
  if (bits === 28) {
    out.writeUIntBE(left & 0xff_ffff, 0, 3)
    out[3] = ((left >>> 24) << 4) | (right >>> 24)
    out.writeUIntBE(right & 0xff_ffff, 4, 3)
  } else {
    out.writeUIntBE(left, 0, bits / 8)
    out.writeUIntBE(right, bits / 8, bits / 8)
  }
  return out
}
