/** How a rotation names files. */
export interface Scheme {
  readonly name: string
  /** True if the names of all rotated files move on with each rotation: the latest is always number 1 (or 0). */
  readonly shifts: boolean
  /** Name of file `n`: its age for a scheme that shifts, else the number of the rotation. */
  of(live: string, n: number): string
}

/** Parts of a name around the place where most programs insert: `app`, `.log`. */
function parts(live: string): [stem: string, extension: string] {
  const at = live.lastIndexOf('.')
  return at > 0 ? [live.slice(0, at), live.slice(at)] : [live, '']
}

function timeOf(n: number): { day: string; plain: string; clock: string; epoch: number } {
  const at = new Date(Date.UTC(2026, 0, 1) + n * (86_400_000 + 61_000))
  const [day = '', clock = ''] = at.toISOString().slice(0, 19).split('T')
  return { day, plain: day.replaceAll('-', ''), clock: clock.replaceAll(':', ''), epoch: at.getTime() }
}

function american(n: number): string {
  const [year, month, day] = timeOf(n).day.split('-')
  return `${month}-${day}-${year}`
}

function behind(name: string, text: (n: number) => string, shifts = false): Scheme {
  return { name, shifts, of: (live, n) => live + text(n) }
}

function within(name: string, text: (n: number) => string, shifts = false): Scheme {
  const of = (live: string, n: number): string => {
    const [stem, extension] = parts(live)
    return stem + text(n) + extension
  }
  return { name, shifts, of }
}

function before(name: string, text: (n: number) => string): Scheme {
  return { name, shifts: false, of: (live, n) => text(n) + live }
}

/** Schemes that every seed may use. */
export const NUMBERED = behind('x.log.1', (n) => `.${n}`, true)
export const DATED = behind('x.log-20261121', (n) => `-${timeOf(n).plain}${String(n).padStart(6, '0')}`)
export const KUBELET = behind('0.log.20261121-060000', (n) => `.20261121-${String(n).padStart(6, '0')}`)

/** Rotated names that begin with the name of the log. */
export const BEHIND: readonly Scheme[] = [
  NUMBERED,
  DATED,
  behind('newsyslog, x.log.0', (n) => `.${n - 1}`, true),
  behind('x.log.1 is the oldest', (n) => `.${n}`),
  behind('logrotate dateext', (n) => `-${timeOf(n).plain}`),
  behind('logrotate dateformat -%s', (n) => `-${Math.floor(timeOf(n).epoch / 1000)}`),
  behind('logrotate hourly', (n) => `-${timeOf(n).plain}${timeOf(n).clock.slice(0, 2)}`),
  behind('python timed', (n) => `.${timeOf(n).day}`),
  behind('python timed by seconds', (n) => `.${timeOf(n).day}_${timeOf(n).clock.replace(/..(?=.)/g, '$&-')}`),
  behind('RFC 3339', (n) => `.${new Date(timeOf(n).epoch).toISOString().slice(0, 19)}Z`),
  behind('date and number', (n) => `.${timeOf(n).day}.${n % 3}`),
  behind('date-time', (n) => `-${timeOf(n).plain}-${timeOf(n).clock}`),
]

/** Rotated names that keep the extension of the log. */
export const WITHIN: readonly Scheme[] = [
  within('winston tailable, x.1.log', (n) => `.${n}`, true),
  within('x-1.log', (n) => `-${n}`, true),
  within('log4j2, x-1.log is the oldest', (n) => `-${n}`),
  within('x_1.log is the oldest', (n) => `_${n}`),
  within('pino-roll, x.1.log is the oldest', (n) => `.${n}`),
  within('logrotate extension', (n) => `-${timeOf(n).plain}`),
  within('logback', (n) => `.${timeOf(n).day}.${n % 3}`),
  within('logback daily', (n) => `.${timeOf(n).day}`),
  within('logback hourly', (n) => `.${timeOf(n).day}_${timeOf(n).clock.slice(0, 2)}`),
  within(
    'lumberjack',
    (n) => `-${new Date(timeOf(n).epoch).toISOString().slice(0, 23).replaceAll(':', '-')}`,
  ),
  within('log4j2', (n) => `-${american(n)}-${n}`),
  within('underscore', (n) => `_${timeOf(n).day}`),
  within('glog', (n) => `.${timeOf(n).plain}-${timeOf(n).clock}.${4000 + n}`),
  within('epoch milliseconds', (n) => `-${timeOf(n).epoch}`),
  within('date-time', (n) => `.${timeOf(n).plain}T${timeOf(n).clock}`),
]

/** Digits right behind the stem: only before an extension, and not behind a digit. */
export const ATTACHED: readonly Scheme[] = [
  within('winston, x1.log', (n) => `${n}`),
  within('x1.log is the newest', (n) => `${n}`, true),
  within('serilog', (n) => timeOf(n).plain),
  within('serilog by size', (n) => `${timeOf(n).plain}_${String(n).padStart(3, '0')}`),
]

export const PREFIXED: readonly Scheme[] = [
  before('2026-11-21-x.log', (n) => `${timeOf(n).day}-`),
  before('20261121_x.log', (n) => `${timeOf(n).plain}_`),
  before('2026-11-21.x.log', (n) => `${timeOf(n).day}.`),
]

/** Targets of a link: what they have in common differs only in digits. */
export const TARGETS: readonly Scheme[] = [
  within('cronolog', (n) => `-${timeOf(n).plain}`),
  within('file-rotatelogs', (n) => `.${Math.floor(timeOf(n).epoch / 1000)}`),
  behind('numbered target', (n) => `.${String(n).padStart(6, '0')}`),
]
