const PAIR = 0x92

/**
 * The time of an entry: `d7 00 <sec u32><nsec u32>`, or an unsigned integer of seconds; within `[time, metadata]` if the entry
 * has metadata. Formats it for outputs.
 */
export class EventTime {
  sec = 0
  nsec = 0

  /** Reads the time of the entry at `entry`. */
  read(buf: Buffer, entry: number): void {
    const at = buf[entry + 1] === PAIR ? entry + 1 : entry
    const t = buf[at + 1] as number
    this.nsec = 0
    if (t === 0xd7) {
      this.sec = buf.readUInt32BE(at + 3)
      this.nsec = buf.readUInt32BE(at + 7)
    } else if (t === 0xce) this.sec = buf.readUInt32BE(at + 2)
    else this.sec = t < 0x80 ? t : 0
  }

  /** Milliseconds since the epoch, rounded down. */
  get ms(): number {
    return this.sec * 1000 + Math.floor(this.nsec / 1_000_000)
  }

  /** Formats as `1700000000.123456789`. */
  seconds(): string {
    return `${this.sec}.${String(this.nsec).padStart(9, '0')}`
  }

  /** Formats as the JSON number `1700000000.123456`: a float64 has no more than six digits for the fraction. */
  double(): string {
    return `${this.sec}.${String(Math.floor(this.nsec / 1000)).padStart(6, '0')}`
  }

  /** Formats as `2023-11-14T22:13:20.123456Z`. */
  iso(separator = 'T', zone = 'Z'): string {
    const date = new Date(this.sec * 1000).toISOString()
    return `${date.slice(0, 10)}${separator}${date.slice(11, 19)}.${String(Math.floor(this.nsec / 1000)).padStart(6, '0')}${zone}`
  }

  epochMs(): string {
    return String(this.ms)
  }
}
