import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { isIPv6 } from 'node:net'

const TABLES = ['/proc/net/udp', '/proc/net/udp6']
const OWN_FILES = '/proc/self/fd'
const BLANKS = / +/
const SOCKET = /^socket:\[(\d+)\]$/
const WORD = /.{8}/g
const SCOPE = /%.*$/
/** Columns of a row: the local address, the inode and the number of dropped datagrams. */
const ADDRESS = 1
const INODE = 9
const DROPS = 12
/** The kernel counts in 32 bits. */
const DROPS_MODULUS = 2 ** 32

/** A socket of this process that receives datagrams: what the kernel calls it, and its descriptor, which the runtime does not tell. */
export interface DatagramSocket {
  readonly inode: string
  readonly descriptor: number
}

/**
 * Finds the socket of this process that is bound to an address; undefined where the tables of the kernel cannot be read. Two inputs may
 * have the same port on different addresses.
 */
export function datagramSocketAt(address: string, port: number): DatagramSocket | undefined {
  try {
    const sockets = ownSockets()
    const inodes = inodesAt(TABLES.flatMap(rowsOf), address, port)
    const inode = inodes.find((one) => sockets.has(one))
    return inode === undefined ? undefined : { inode, descriptor: sockets.get(inode) as number }
  } catch {
    return undefined
  }
}

/** Returns the inodes of the sockets that rows of the tables of /proc/net have at an address. */
export function inodesAt(rows: readonly string[], address: string, port: number): string[] {
  const wanted = `${canonical(address)} ${port}`
  return rows.flatMap((row) => (addressIn(row) === wanted ? [columnOf(row, INODE)] : []))
}

/**
 * Counts the datagrams that the kernel has dropped for a socket since it was opened: it had no space left in the receive buffer, or the
 * checksum was wrong. Undefined where the tables of the kernel cannot be read.
 */
export function droppedDatagrams({ inode }: DatagramSocket): number | undefined {
  for (const path of TABLES) {
    const drops = dropsOf(rowsOf(path), inode)
    if (drops !== undefined) return drops
  }
  return undefined
}

/** Returns the count of dropped datagrams in the row of a socket; undefined when there is none, or without this column. */
export function dropsOf(rows: readonly string[], inode: string): number | undefined {
  // The table changes while it is read: a row may be there twice.
  const row = rows.find((one) => columnOf(one, INODE) === inode)
  const drops = row === undefined ? Number.NaN : Number.parseInt(columnOf(row, DROPS), 10)
  return Number.isNaN(drops) ? undefined : drops
}

/** Returns how many datagrams were dropped between two counts. */
export function dropsBetween(before: number, now: number): number {
  return (now - before + DROPS_MODULUS) % DROPS_MODULUS
}

/** Returns the rows of a table; none where the kernel is without that family of addresses. */
function rowsOf(path: string): string[] {
  try {
    return readFileSync(path, 'latin1').split('\n').slice(1)
  } catch {
    return []
  }
}

/** Returns the sockets of this process: descriptors by inode. */
function ownSockets(): Map<string, number> {
  const sockets = new Map<string, number>()
  for (const name of readdirSync(OWN_FILES)) {
    try {
      const inode = SOCKET.exec(readlinkSync(`${OWN_FILES}/${name}`))?.[1]
      if (inode !== undefined) sockets.set(inode, Number(name))
    } catch {
      // Closed in the meantime.
    }
  }
  return sockets
}

function columnOf(row: string, column: number): string {
  return row.trim().split(BLANKS)[column] ?? ''
}

/** Returns address and port of a row: `0100007F:1432` is `127.0.0.1 5170`, in words of the byte order of the machine. */
function addressIn(row: string): string {
  const [words = '', port = ''] = columnOf(row, ADDRESS).split(':')
  const bytes = (words.match(WORD) ?? []).flatMap((word) => [...Buffer.from(word, 'hex').reverse()])
  const groups = bytes.map((byte, i) => (i % 2 === 0 ? (byte * 256 + (bytes[i + 1] ?? 0)).toString(16) : ''))
  const address =
    bytes.length === 4 ? bytes.join('.') : canonical(groups.filter((group) => group !== '').join(':'))
  return `${address} ${Number.parseInt(port, 16)}`
}

/** Returns the only form of an address of IPv6, without its scope, and any other text unchanged. */
function canonical(address: string): string {
  const plain = address.replace(SCOPE, '')
  return isIPv6(plain) ? new URL(`http://[${plain}]`).hostname : plain
}
