import { strftime } from '../../../../lib/time/strftime.ts'

/** Offsets of the fields of a `struct tm`; each is a 32-bit integer. */
const TM = {
  sec: 0,
  min: 4,
  hour: 8,
  day: 12,
  month: 16,
  year: 20,
  weekday: 24,
  yearDay: 28,
  isDst: 32,
  offset: 36,
  zone: 40,
}
const DAY_MS = 86_400_000
/** Years that Date has and 32 bits hold; a time outside of them becomes the nearest. */
const MAX_S = 8.64e12

/** Writes the fields of the time, in UTC. */
export function writeUtc(memory: Buffer, seconds: number, at: number): void {
  writeFields(memory, at, dateOf(seconds), 0, 0)
}

/** Writes the fields of the time, in the zone of the environment variable TZ or else of this machine. */
export function writeLocal(memory: Buffer, seconds: number, at: number): void {
  const date = dateOf(seconds)
  const offset = offsetAt(date)
  writeFields(memory, at, new Date(date.getTime() + offset * 1000), offset, isDst(date) ? 1 : 0)
}

/** Returns the seconds since the epoch of a local time, whose fields may be out of their ranges, and corrects these. */
export function localSeconds(memory: Buffer, at: number): number {
  const field = (offset: number) => memory.readInt32LE(at + offset)
  const date = new Date(
    field(TM.year) + 1900,
    field(TM.month),
    field(TM.day),
    field(TM.hour),
    field(TM.min),
    field(TM.sec),
  )
  // A year below 100 would be taken for one of the 20th century.
  date.setFullYear(field(TM.year) + 1900, field(TM.month), field(TM.day))
  const seconds = date.getTime() / 1000
  if (Number.isNaN(seconds)) return -1
  const wanted = field(TM.isDst)
  // With a zone that is set, an hour is added or taken if the time is not in it.
  const corrected =
    wanted < 0 || wanted > 0 === isDst(date) ? seconds : seconds + dstSeconds(date) * (wanted > 0 ? -1 : 1)
  writeLocal(memory, corrected, at)
  return corrected
}

/** Formats the time of a `struct tm` as strftime of C does in the locale C. */
export function formatTime(memory: Buffer, at: number, format: string): string {
  const field = (offset: number) => memory.readInt32LE(at + offset)
  const offset = field(TM.offset)
  const wall = Date.UTC(2000, field(TM.month), field(TM.day), field(TM.hour), field(TM.min), field(TM.sec))
  const seconds = new Date(wall).setUTCFullYear(field(TM.year) + 1900) / 1000 - offset
  const isLocal =
    offset === offsetAt(dateOf(seconds)) && textAt(memory, memory.readUInt32LE(at + TM.zone)) !== 'GMT'
  return strftime(isLocal ? format : format.replaceAll('%Z', 'GMT'), seconds, 0, isLocal ? 'local' : offset)
}

/** Returns the seconds west of UTC, and the names of the zone without and with daylight saving time. */
export function zoneOfEnvironment(): { west: number; hasDst: boolean; names: [string, string] } {
  const year = new Date().getFullYear()
  const dates = [new Date(year, 0, 1), new Date(year, 6, 1)].sort((a, b) => offsetAt(a) - offsetAt(b)) as [
    Date,
    Date,
  ]
  const [standard, summer] = dates
  const name = (date: Date) => strftime('%Z', date.getTime() / 1000, 0, 'local')
  return {
    west: -offsetAt(standard),
    hasDst: offsetAt(standard) !== offsetAt(summer),
    names: [name(standard), name(summer)],
  }
}

/** Returns the text up to the next NUL. */
export function textAt(memory: Buffer, at: number): string {
  return at === 0 ? '' : memory.toString('utf8', at, Math.max(at, memory.indexOf(0, at)))
}

function writeFields(memory: Buffer, at: number, date: Date, offset: number, dst: number): void {
  const write = (field: number, value: number) => memory.writeInt32LE(value, at + field)
  write(TM.sec, date.getUTCSeconds())
  write(TM.min, date.getUTCMinutes())
  write(TM.hour, date.getUTCHours())
  write(TM.day, date.getUTCDate())
  write(TM.month, date.getUTCMonth())
  write(TM.year, date.getUTCFullYear() - 1900)
  write(TM.weekday, date.getUTCDay())
  const first = new Date(0).setUTCFullYear(date.getUTCFullYear())
  write(TM.yearDay, Math.floor((date.getTime() - first) / DAY_MS))
  write(TM.isDst, dst)
  write(TM.offset, offset)
}

function dateOf(seconds: number): Date {
  return new Date(Math.min(Math.max(seconds, -MAX_S), MAX_S) * 1000)
}

function offsetAt(date: Date): number {
  return date.getTimezoneOffset() * -60
}

/** Returns the seconds by which clocks of the zone are advanced in summer; none: 0. */
function dstSeconds(date: Date): number {
  const year = date.getFullYear()
  return Math.abs(offsetAt(new Date(year, 0, 1)) - offsetAt(new Date(year, 6, 1)))
}

function isDst(date: Date): boolean {
  const year = date.getFullYear()
  const [winter, summer] = [offsetAt(new Date(year, 0, 1)), offsetAt(new Date(year, 6, 1))]
  return winter !== summer && offsetAt(date) === Math.max(winter, summer)
}
