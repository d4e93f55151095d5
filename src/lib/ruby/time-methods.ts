import { Rfc3339 } from '../time/rfc3339.ts'
import { strftime, type TimeZone } from '../time/strftime.ts'
import { parseOffset, systemZone } from '../time/zone.ts'
import { RubyFailure } from './failure.ts'
import { type Call, intArg, type Methods, method, stringArg } from './method.ts'
import { charge } from './scope.ts'
import { Instant, type Value } from './values.ts'

const NS = 1_000_000_000
let times: Rfc3339 | undefined
/** Seconds that a Date can represent. */
const MAX_SECONDS = 8.64e12

function time(min: number, max: number, body: (self: Instant, call: Call) => Value) {
  return method(min, max, { time: body as never })
}

/** Describes a method that returns a number which strftime knows. */
function part(directive: string) {
  return time(0, 0, (self) => BigInt(format(self, directive)))
}

function format({ sec, nsec, zone }: Instant, directives: string): string {
  return strftime(directives, sec, nsec, zone)
}

function moved(self: Instant, seconds: number): Instant {
  return instantOf(self.sec + seconds + self.nsec / NS, self.zone, self, seconds)
}

/** Returns a time; whole seconds keep the nanoseconds of `from`. */
function instantOf(total: number, zone: TimeZone, from?: Instant, seconds = 0): Instant {
  if (!(Math.abs(total) < MAX_SECONDS)) throw new RubyFailure('a time out of range')
  if (from !== undefined && Number.isInteger(seconds)) return new Instant(from.sec + seconds, from.nsec, zone)
  const sec = Math.floor(total)
  return new Instant(sec, Math.floor((total - sec) * NS), zone)
}

/** Returns the time of a number of seconds, or of a time. */
export function timeAt(value: Value): Instant {
  if (value instanceof Instant) return new Instant(value.sec, value.nsec)
  if (typeof value === 'bigint' || typeof value === 'number') return instantOf(Number(value), 'local')
  throw new RubyFailure("can't convert the value into an exact number of seconds")
}

/** Reads a time as RFC 3339 has it; one without a zone is a local time. */
export function parseTime(text: string): Instant {
  const bytes = Buffer.from(text.trim())
  const found = { sec: 0, nsec: 0 }
  times ??= new Rfc3339(systemZone())
  if (times.parse(bytes, 0, bytes.length, found) && times.end === bytes.length)
    return new Instant(found.sec, found.nsec)
  throw new RubyFailure(`a text of ${bytes.length} bytes is not a time as in RFC 3339`)
}

export function timeOfMs(ms: number): Instant {
  return instantOf(ms / 1000, 'local')
}

const utc = time(0, 0, ({ sec, nsec }) => new Instant(sec, nsec, 'utc'))
const local = time(0, 1, ({ sec, nsec }, { args }) => new Instant(sec, nsec, zoneOf(args[0])))
const iso = time(0, 1, (self, { args }) => {
  const digits = args[0] === undefined ? 0 : intArg(args[0])
  if (digits < 0 || digits > 100) throw new RubyFailure('the number of digits of a second is out of range')
  const fraction = digits === 0 ? '' : `.%${digits}N`
  return format(self, `%Y-%m-%dT%H:%M:%S${fraction}${self.zone === 'utc' ? 'Z' : '%:z'}`)
})

export const TIME_METHODS: Methods = {
  strftime: time(1, 1, (self, { args, scope }) => {
    const text = format(self, stringArg(args[0]))
    charge(scope, text.length)
    return text
  }),
  utc,
  getutc: utc,
  gmtime: utc,
  getgm: utc,
  localtime: local,
  getlocal: local,
  iso8601: iso,
  xmlschema: iso,
  to_i: time(0, 0, ({ sec }) => BigInt(sec)),
  to_f: time(0, 0, ({ sec, nsec }) => sec + nsec / NS),
  nsec: time(0, 0, ({ nsec }) => BigInt(nsec)),
  usec: time(0, 0, ({ nsec }) => BigInt(Math.floor(nsec / 1000))),
  year: part('%-Y'),
  month: part('%-m'),
  day: part('%-d'),
  hour: part('%-H'),
  min: part('%-M'),
  sec: part('%-S'),
  wday: part('%w'),
  yday: part('%-j'),
  '+': time(1, 1, (self, { args }) => moved(self, seconds(args[0]))),
  '-': time(1, 1, (self, { args }) => {
    const [other] = args
    if (other instanceof Instant) return self.sec - other.sec + (self.nsec - other.nsec) / NS
    return moved(self, -seconds(other))
  }),
}

/** Returns the zone of an offset such as `+09:00`; without one that of this machine. */
function zoneOf(value: Value | undefined): TimeZone {
  if (value === undefined || value === null) return 'local'
  const text = stringArg(value)
  const offset = parseOffset(text)
  if (offset === undefined) throw new RubyFailure('"+HH:MM", "-HH:MM" or "UTC" expected for utc_offset')
  return text === 'UTC' || text === 'Z' ? 'utc' : offset
}

function seconds(value: Value | undefined): number {
  if (typeof value === 'bigint' || typeof value === 'number') return Number(value)
  throw new RubyFailure("can't convert the value into an exact number of seconds")
}
