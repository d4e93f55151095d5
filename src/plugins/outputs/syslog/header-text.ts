import type { JsonText } from '../../../lib/json/msgpack-to-json.ts'
import type { EventTime } from '../../../lib/records/event-time.ts'

/** Writes `_` for each blank, control or non-ASCII character of text[from, at), and truncates it to `max` bytes. */
export function keepPrintable(text: JsonText, from: number, max: number): void {
  const { buf, at: end } = text
  let to = from
  for (let i = from; i < end && to < from + max; i++) {
    const c = buf[i] as number
    // Continuation bytes of a character.
    if (c >= 0x80 && c < 0xc0) continue
    buf[to++] = c > 0x20 && c < 0x7f ? c : 0x5f
  }
  text.at = to
}

/** Time of a header, formatted once for each second. */
export class HeaderTime {
  readonly #is5424: boolean
  #sec = -1
  #bytes = Buffer.alloc(0)

  constructor(is5424: boolean) {
    this.#is5424 = is5424
  }

  /** Writes `2023-11-14T22:13:20.500000Z`, or `Nov 14 22:13:20`. */
  write(text: JsonText, { sec, nsec }: EventTime): void {
    if (sec !== this.#sec) {
      this.#sec = sec
      this.#bytes = Buffer.from(this.#is5424 ? isoSecond(sec) : bsdSecond(sec))
    }
    text.copy(this.#bytes, 0, this.#bytes.length)
    if (!this.#is5424) return
    let divisor = 100_000
    let left = Math.floor(nsec / 1000)
    for (; divisor >= 1; divisor /= 10) {
      const digit = Math.floor(left / divisor)
      left -= digit * divisor
      text.byte(0x30 + digit)
    }
    text.byte(0x5a)
  }
}

function isoSecond(sec: number): string {
  return new Date(sec * 1000).toISOString().slice(0, 20).replace('Z', '.')
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

function bsdSecond(sec: number): string {
  const date = new Date(sec * 1000)
  const day = String(date.getUTCDate()).padStart(2, ' ')
  return `${MONTHS[date.getUTCMonth()]} ${day} ${date.toISOString().slice(11, 19)}`
}
