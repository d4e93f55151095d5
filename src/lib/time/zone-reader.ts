/** Hours east of UTC by abbreviation; IST, BST, AST and the like are ambiguous and not included. */
const ZONE_HOURS: Record<string, number> = {
  Z: 0,
  UTC: 0,
  GMT: 0,
  UT: 0,
  WET: 0,
  WEST: 1,
  CET: 1,
  CEST: 2,
  EET: 2,
  EEST: 3,
  MSK: 3,
  JST: 9,
  KST: 9,
  EST: -5,
  EDT: -4,
  CST: -6,
  CDT: -5,
  MST: -7,
  MDT: -6,
  PST: -8,
  PDT: -7,
}
const ZONE_NAMES = Object.entries(ZONE_HOURS).map(([name, hours]) => ({ name: Buffer.from(name), hours }))

/** Reads a numeric offset or the abbreviation of a zone. */
export class ZoneReader {
  /** Seconds east of UTC. */
  seconds = 0
  /** Length of the zone that was read; 0 when there is none. */
  length = 0

  read(src: Buffer, at: number, end: number): boolean {
    const c = at < end ? (src[at] as number) : 0
    this.length = c === 0x2b || c === 0x2d ? this.#numeric(src, at, end) : this.#name(src, at, end)
    return this.length > 0
  }

  /** Reads hh, hhmm or hh:mm after the sign. */
  #numeric(src: Buffer, at: number, end: number): number {
    const hours = twoDigits(src, at + 1, end)
    if (hours < 0 || hours > 24) return 0
    const colon = at + 3 < end && src[at + 3] === 0x3a ? 1 : 0
    const minutes = twoDigits(src, at + 3 + colon, end)
    const seconds = hours * 3600 + Math.max(minutes, 0) * 60
    this.seconds = src[at] === 0x2d ? -seconds : seconds
    return minutes < 0 ? 3 : 5 + colon
  }

  #name(src: Buffer, at: number, end: number): number {
    let n = 0
    while (at + n < end && n < 6 && isLetter(src[at + n] as number)) n++
    const known = ZONE_NAMES.find(({ name }) => name.length === n && equalName(name, src, at))
    if (known === undefined) return 0
    this.seconds = known.hours * 3600
    return n
  }
}

function equalName(name: Buffer, src: Buffer, at: number): boolean {
  for (let i = 0; i < name.length; i++) if (((src[at + i] as number) & 0xdf) !== name[i]) return false
  return true
}

function isLetter(c: number): boolean {
  const lower = c | 0x20
  return lower >= 0x61 && lower <= 0x7a
}

function twoDigits(src: Buffer, at: number, end: number): number {
  if (at + 2 > end) return -1
  const a = (src[at] as number) - 48
  const b = (src[at + 1] as number) - 48
  return a >= 0 && a <= 9 && b >= 0 && b <= 9 ? a * 10 + b : -1
}
