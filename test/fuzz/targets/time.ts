import { ShipperError } from '../../../src/core/error.ts'
import { compileTime, FastPathReader } from '../../../src/lib/time/strptime.ts'
import { compileFormat } from '../../../src/lib/time/strptime-format.ts'
import { StrptimeReader } from '../../../src/lib/time/strptime-reader.ts'
import { namedZone, offsetZone, UTC } from '../../../src/lib/time/zone.ts'
import { Random, seedOf } from '../random.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const NOW = Date.UTC(2026, 10, 21, 12)
const ZONES = [UTC, namedZone('Europe/Berlin'), offsetZone('+0930'), namedZone('America/St_Johns')]
const UNSET = { sec: 12_345, nsec: 678 }

export const time: Target = {
  name: 'time',
  maxBytes: 500,
  dictionary: [
    '%Y',
    '%m',
    '%d',
    '%H',
    '%M',
    '%S',
    '%L',
    '%z',
    '%s',
    '%b',
    '%j',
    '%p',
    '%I',
    '%%',
    'epoch_ms',
    '2026',
    '-02-29',
    'T',
    'Z',
    '+0530',
    '.',
    '1790000000123',
    ' UTC',
    '24:00:00',
    ':60',
    'Feb',
    '\n',
    '%T',
    '%c',
  ],
  seeds: () => [
    '%Y-%m-%dT%H:%M:%S.%L%z\n2026-11-21T06:00:00.123456789Z',
    '%Y-%m-%dT%H:%M:%S.%L\n2026-11-21T06:00:00.123',
    '%d/%b/%Y:%H:%M:%S %z\n21/Nov/2026:06:00:00 +0100',
    '%b %e %H:%M:%S\nFeb 29 06:00:00',
    '%s.%L\n1790000000.5',
    'epoch_ns\n1790000000123456789',
    '%a %b %d %I:%M:%S %p %Y %Z\nSat Nov 21 12:00:00 AM 2026 CET',
    '%Y %j\n2024 366',
    '%H:%M:%S,%L\n23:59:60,999',
  ],
  run(input) {
    const [format = '', ...rest] = input.toString('latin1').split('\n')
    const text = Buffer.from(rest.join('\n'), 'latin1')
    const random = new Random(seedOf(input))
    const settings = { zone: random.pick(ZONES), strict: random.below(2) === 0, nowMs: () => NOW }
    try {
      const reader = compileTime(format, settings)
      const out = { ...UNSET }
      const found = reader.parse(text, 0, text.length, out)
      if (!found)
        must(
          out.sec === UNSET.sec && out.nsec === UNSET.nsec,
          'a time that cannot be read changes the record',
        )
      else must(isTime(out), () => `read ${out.sec} s and ${out.nsec} ns`)
      // The text before may not matter, nor may what is read for the second time.
      const padded = Buffer.concat([Buffer.from('19'), text, Buffer.from('99Z')])
      const again = { ...UNSET }
      must(reader.parse(padded, 2, 2 + text.length, again) === found, 'the same text is read in another way')
      must(again.sec === out.sec && again.nsec === out.nsec, 'the same text has another time')
      const slow = { ...UNSET }
      const slowly = new StrptimeReader(compileFormat(format), settings.zone, settings).parse(
        text,
        0,
        text.length,
        slow,
      )
      // Without %L the fast path reads a fraction all the same: the time is right, and the other would not read the line.
      const isLenient = reader instanceof FastPathReader && !format.includes('%L')
      must(
        (isLenient && found && !slowly) ||
          (slowly === found && slow.sec === out.sec && (isLenient || slow.nsec === out.nsec)),
        () =>
          `the fast path reads ${found} ${out.sec}.${out.nsec}, the other ${slowly} ${slow.sec}.${slow.nsec}`,
      )
      return `${found} ${compileFormat(format)
        .map(({ op }) => op[0])
        .join('')
        .slice(0, 6)} ${size(out.sec)}`
    } catch (error) {
      if (!(error instanceof ShipperError)) throw error
      return kindOf(error)
    }
  },
}

function isTime({ sec, nsec }: { sec: number; nsec: number }): boolean {
  return (
    Number.isInteger(sec) && sec >= 0 && sec < 2 ** 32 && Number.isInteger(nsec) && nsec >= 0 && nsec < 1e9
  )
}
