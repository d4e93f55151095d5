import type { BigIntStats } from 'node:fs'
import { millisecondsOf } from '../../../../lib/time/milliseconds.ts'

/**
 * The properties of a file that do not change while it is open: device, inode, birth, and what its first path
 * decides.
 */
export class FileIdentity {
  /** Path the file had when it was opened; tag and Path_Key are made of it. */
  readonly openedAs: string
  /**
   * Path that the file was opened by, or, if that was a link, what it pointed to. The link may point elsewhere now.
   */
  readonly openedTarget: string
  readonly tag: string
  readonly device: bigint
  readonly inode: bigint
  /** `device:inode`: the key under which the file is open. */
  readonly key: string
  /** Time of creation in milliseconds of the file system's clock; 0 where it has none. */
  readonly birthMs: number
  readonly birthNs: bigint

  constructor(stat: BigIntStats, openedAs: string, tag: string, openedTarget = openedAs) {
    this.openedAs = openedAs
    this.openedTarget = openedTarget
    this.tag = tag
    this.device = stat.dev
    this.inode = stat.ino
    this.key = identityKey(stat.dev, stat.ino)
    this.birthNs = stat.birthtimeNs
    this.birthMs = millisecondsOf(stat.birthtimeNs)
  }

  /**
   * Text for File_Id_Key, unique to this file: device, inode and birth; the birth is 0 where the file system
   * has none.
   */
  get id(): string {
    return [this.device, this.inode, this.birthNs].map((part) => part.toString(16)).join('-')
  }
}

/** Returns the key of the file with this device and inode. */
export function identityKey(device: bigint, inode: bigint): string {
  return `${device}:${inode}`
}

/** Returns the key of a file that is not open. Its numbers are signed, as SQLite stores them. */
export function storedKey({ device, inode }: { device?: bigint | undefined; inode: bigint }): string {
  return identityKey(BigInt.asIntN(64, device ?? 0n), BigInt.asIntN(64, inode))
}
