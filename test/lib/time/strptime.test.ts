import { describe, expect, test } from 'bun:test'
import { ShipperError } from '../../../src/core/error.ts'
import { compileTime, compileTimes, type TimeSettings } from '../../../src/lib/time/strptime.ts'
import { fixedZone, namedZone, parseOffset, systemZone } from '../../../src/lib/time/zone.ts'
import { fc } from '../../support/property.ts'

const UNSET = { sec: -1, nsec: -1 }

function read(format: string, text: string, settings?: TimeSettings): { sec: number; nsec: number } {
  const out = { ...UNSET }
  // Bytes around the text must not be read.
  const src = Buffer.from(`99${text}99`)
  const found = compileTime(format, settings).parse(src, 2, src.length - 2, out)
  if (!found) expect(out).toEqual(UNSET)
  return out
}

function iso(format: string, text: string, settings?: TimeSettings): string {
  const { sec, nsec } = read(format, text, settings)
  return sec < 0
    ? 'none'
    : `${new Date(sec * 1000).toISOString().slice(0, 19)}.${String(nsec).padStart(9, '0')}`
}

describe('RFC 3339', () => {
  const DOCKER = '%Y-%m-%dT%H:%M:%S.%L'
  const CRI = '%Y-%m-%dT%H:%M:%S.%L%z'

  test('is read with nine digits, fewer, none, and with more', () => {
    expect(iso(DOCKER, '2026-11-21T06:00:00.123456789Z')).toBe('2026-11-21T06:00:00.123456789')
    expect(iso(DOCKER, '2026-11-21T06:00:00.5Z')).toBe('2026-11-21T06:00:00.500000000')
    expect(iso(DOCKER, '2026-11-21T06:00:00Z')).toBe('2026-11-21T06:00:00.000000000')
    expect(iso(DOCKER, '2026-11-21T06:00:00.1234567899')).toBe('2026-11-21T06:00:00.123456789')
  })

  test('is read with any zone', () => {
    for (const zone of ['+0100', '+01:00', '+01']) {
      expect(iso(CRI, `2026-11-21T06:00:00.1${zone}`)).toBe('2026-11-21T05:00:00.100000000')
    }
    expect(iso(CRI, '2026-01-01T00:30:00.1-09:30')).toBe('2026-01-01T10:00:00.100000000')
    expect(iso(CRI, '2026-01-01T00:30:00.1 CET')).toBe('2025-12-31T23:30:00.100000000')
  })

  test('without a zone uses the configured one, unless %z requires a zone', () => {
    const zone = fixedZone(3600)
    expect(iso(DOCKER, '2026-11-21T06:00:00', { zone })).toBe('2026-11-21T05:00:00.000000000')
    expect(iso(CRI, '2026-11-21T06:00:00.1', { zone })).toBe('none')
    expect(iso(CRI, '2026-11-21T06:00:00.1', { zone, strict: false })).toBe('2026-11-21T05:00:00.100000000')
    expect(iso(CRI, '2026-11-21T06:00:00.1 CEST', { strict: false })).toBe('2026-11-21T04:00:00.100000000')
  })

  test('is refused when a part is out of range', () => {
    for (const text of [
      '2026-13-01T06:00:00Z',
      '2026-02-29T06:00:00Z',
      '2026-11-21T24:00:00Z',
      '2026-11-21T06:60:00Z',
    ])
      expect(iso(DOCKER, text)).toBe('none')
    for (const text of ['', '2026', '2026-11-21', '1960-01-01T00:00:00Z', 'x'.repeat(30)])
      expect(iso(DOCKER, text)).toBe('none')
  })

  test('equals Date for any time, also when times alternate', () => {
    const reader = compileTime(CRI)
    const moment = fc.date({ min: new Date(0), max: new Date('2106-01-01'), noInvalidDate: true })
    fc.assert(
      fc.property(fc.array(moment, { minLength: 2, maxLength: 6 }), (dates) => {
        for (const date of [...dates, ...dates]) {
          const src = Buffer.from(date.toISOString())
          const out = { ...UNSET }
          expect(reader.parse(src, 0, src.length, out)).toBe(true)
          expect(out.sec * 1000 + out.nsec / 1e6).toBe(date.getTime())
        }
      }),
    )
  })
})

describe('a strptime format', () => {
  test('of access logs reads the month by name', () => {
    expect(iso('%d/%b/%Y:%H:%M:%S %z', '21/Nov/2026:06:00:01 +0100')).toBe('2026-11-21T05:00:01.000000000')
    expect(iso('%d/%b/%Y:%H:%M:%S %z', '21/Foo/2026:06:00:01 +0100')).toBe('none')
  })

  test('reads epochs with and without a fraction', () => {
    expect(read('%s', '1795240800')).toEqual({ sec: 1795240800, nsec: 0 })
    expect(read('%s.%L', '1795240800.25')).toEqual({ sec: 1795240800, nsec: 250_000_000 })
    expect(read('%s.%L', '1795240800')).toEqual({ sec: 1795240800, nsec: 0 })
    expect(read('%s', '99999999999')).toEqual(UNSET)
  })

  test('reads epochs of 13, 16 and 19 digits as milliseconds, microseconds and nanoseconds, exactly', () => {
    expect(read('%s', '1722587215768')).toEqual({ sec: 1722587215, nsec: 768_000_000 })
    expect(read('%s', '1722587215768123')).toEqual({ sec: 1722587215, nsec: 768_123_000 })
    expect(read('%s', '1722587215768123457')).toEqual({ sec: 1722587215, nsec: 768_123_457 })
    expect(read('%s%L', '1722587215768')).toEqual({ sec: 1722587215, nsec: 768_000_000 })
    expect(read('%s.%L', '1722587215768.25')).toEqual({ sec: 1722587215, nsec: 768_250_000 })
    for (const text of ['172258721576', '17225872157681', '4294967296', '4294967296000', '-1', ''])
      expect(read('%s', text)).toEqual(UNSET)
  })

  test('does not take a date or a time of day for an epoch, unless the format continues after the number', () => {
    for (const format of ['%s', '%s.%L', '%s,%L', '%s%L', '%s %z', 'epoch', 'epoch_ms'])
      for (const text of ['2026-11-29 03:01:02,123', '2026/11/29', '03:01:02', '20261129T030102Z', '3pm'])
        expect(read(format, text)).toEqual(UNSET)
    expect(read('%s-x', '1795240800-x')).toEqual({ sec: 1795240800, nsec: 0 })
    expect(read('%s', '1795240800 x')).toEqual({ sec: 1795240800, nsec: 0 })
  })

  test('reads an epoch in the unit of its name, whatever its number of digits', () => {
    expect(read('epoch_ms', '999')).toEqual({ sec: 0, nsec: 999_000_000 })
    expect(read('epoch_ms', '86400001')).toEqual({ sec: 86_400, nsec: 1_000_000 })
    expect(read('epoch_us', '1722587215768123')).toEqual({ sec: 1722587215, nsec: 768_123_000 })
    expect(read('epoch_ns', '1722587215768123457')).toEqual({ sec: 1722587215, nsec: 768_123_457 })
    expect(read('epoch', '1722587215')).toEqual({ sec: 1722587215, nsec: 0 })
    expect(read('epoch', '1722587215.25')).toEqual({ sec: 1722587215, nsec: 250_000_000 })
    expect(read('epoch_ms', '1722587215768.5')).toEqual({ sec: 1722587215, nsec: 768_500_000 })
    expect(read('epoch', '1722587215.')).toEqual({ sec: 1722587215, nsec: 0 })
    expect(read('%s', '1722587215.25')).toEqual({ sec: 1722587215, nsec: 0 })
    for (const [format, text] of [
      ['epoch', '1722587215768'],
      ['epoch_ms', '1722587215768123'],
      ['epoch_ns', 'x'],
    ] as const)
      expect(read(format, text)).toEqual(UNSET)
  })

  test('reads exponents by shifting the point', () => {
    const time = { sec: 1548314221, nsec: 584_097_900 }
    for (const format of ['%s', '%s.%L', '%s,%L', 'epoch'])
      expect(read(format, '1.5483142215840979e9')).toEqual(time)
    expect(read('%s.%L', '1.5483142215840979E+09')).toEqual(time)
    expect(read('%s', '1.5483142215840979e12')).toEqual(time)
    expect(read('epoch_ms', '1.5483142215840979E12')).toEqual(time)
    expect(read('%s', '15483142215840979e-7')).toEqual(time)
    expect(read('%s', '15e8')).toEqual({ sec: 1_500_000_000, nsec: 0 })
    expect(read('%s', '1e99999999999')).toEqual(UNSET)
    expect(read('%s', '1.5e20')).toEqual(UNSET)
    // Equal beginnings do not mean equal times.
    const reader = compileTime('%s.%L')
    for (const [text, sec] of [
      ['1.5', 1],
      ['1.5e9', 1_500_000_000],
      ['1.6e9', 1_600_000_000],
      ['1.5', 1],
    ] as const) {
      const out = { ...UNSET }
      reader.parse(Buffer.from(text), 0, text.length, out)
      expect(out.sec).toBe(sec)
    }
  })

  test('reads a fraction at any place, after any character or blanks, or none', () => {
    const full = '2026-11-21T06:00:01.123000000'
    for (const [format, text] of [
      ['%Y-%m-%d %H:%M:%S %L', '2026-11-21 06:00:01 123'],
      ['%Y-%m-%d %H:%M:%S.%L', '2026-11-21 06:00:01.123'],
      ['%Y-%m-%d %H:%M:%S,%L', '2026-11-21 06:00:01,123'],
      ['%Y-%m-%d %H:%M:%S:%L', '2026-11-21 06:00:01:123'],
      ['%Y-%m-%d %H:%M:%S%L', '2026-11-21 06:00:01123'],
      ['datetime(%Y, %m, %d, %H, %M, %S, %L)', 'datetime(2026, 11, 21, 6, 0, 1, 123)'],
      ['%L %Y-%m-%d %H:%M:%S', '123 2026-11-21 06:00:01'],
      ['%L%Y%m%d%H%M%S', '12320261121060001'],
      ['%Y-%m-%d %H:%M (%S/%L)', '2026-11-21 06:00 (01/123)'],
      ['%H:%M:%S.%L %Y-%m-%d', '06:00:01.123 2026-11-21'],
    ] as const)
      expect([format, iso(format, text)]).toEqual([format, full])
    const none = '2026-11-21T06:00:01.000000000'
    for (const format of ['%F %T.%L', '%F %T %L', '%F %T%L'].slice(0, 2))
      expect(iso(`${format} %z`, '2026-11-21 06:00:01 +0000')).toBe(none)
    const reader = compileTime('%L %Y-%m-%d')
    for (const [text, nsec] of [
      ['5 2026-11-21', 500_000_000],
      ['25 2026-11-22', 250_000_000],
    ] as const) {
      const out = { ...UNSET }
      reader.parse(Buffer.from(text), 0, text.length, out)
      expect(out).toEqual({ sec: Date.UTC(2026, 10, Number(text.slice(-2))) / 1000, nsec })
    }
  })

  test('of a list is used when those before it do not match', () => {
    const reader = compileTimes(['%b %d %H:%M:%S', '%Y-%m-%dT%H:%M:%S.%L%z'], {
      nowMs: () => Date.UTC(2026, 10, 21),
    })
    const take = (text: string): number => {
      const out = { ...UNSET }
      reader.parse(Buffer.from(text), 0, text.length, out)
      return out.sec
    }
    const noon = Date.UTC(2026, 10, 20, 12) / 1000
    expect(take('Nov 20 12:00:00')).toBe(noon)
    expect(take('2026-11-20T13:00:00.5+01:00')).toBe(noon)
    expect(take('20.11.2026')).toBe(-1)
  })

  test('reads names of days, 12-hour times, shorthands, days of the year and short years', () => {
    expect(iso('%A, %d-%b-%y %T %Z', 'Saturday, 21-Nov-26 06:00:00 GMT')).toBe(
      '2026-11-21T06:00:00.000000000',
    )
    expect(iso('%a %B %e %I:%M:%S %p %Y', 'Sat November  1 12:00:00 am 2026')).toBe(
      '2026-11-01T00:00:00.000000000',
    )
    expect(iso('%D %R', '11/21/99 18:05')).toBe('1999-11-21T18:05:00.000000000')
    expect(iso('%F %I %p', '2026-11-21 12 PM')).toBe('2026-11-21T12:00:00.000000000')
    expect(iso('%Y %j', '2026 032')).toBe('2026-02-01T00:00:00.000000000')
    expect(iso('100%% %Y', '100% 2026')).toBe('2026-01-01T00:00:00.000000000')
  })

  test('accepts one digit in place of two, and text after the time', () => {
    expect(iso('%Y-%m-%d %H:%M:%S', '2026-1-5 6:07:08')).toBe('2026-01-05T06:07:08.000000000')
    expect(iso('%Y/%m/%d %H:%M', '2026/01/05 06:07 and so on')).toBe('2026-01-05T06:07:00.000000000')
  })
})

describe('the cache of the previous line', () => {
  test('distinguishes lines with a common beginning', () => {
    const reader = compileTime('%s.%L %z')
    const take = (text: string): number => {
      const out = { ...UNSET }
      const src = Buffer.from(text)
      return reader.parse(src, 0, src.length, out) ? out.sec + out.nsec / 1e9 : -1
    }
    expect(take('123.5 Z')).toBe(123.5)
    expect(take('123.75 Z')).toBe(123.75)
    expect(take('1234.5 Z')).toBe(1234.5)
    expect(take('123 Z')).toBe(123)
    expect(take('123')).toBe(-1)
    const seconds = compileTime('%s')
    for (const text of ['12', '12', '123', '12', '12,x', '1']) {
      const out = { ...UNSET }
      seconds.parse(Buffer.from(text), 0, text.length, out)
      expect(out.sec).toBe(Number.parseInt(text, 10))
    }
    expect(take('123x')).toBe(-1)
    expect(take('123.5 Z')).toBe(123.5)
  })

  test('of another second gives what a reader without a previous line gives', () => {
    const texts: Record<string, string> = {
      '%d/%b/%Y:%H:%M:%S %z': '21/Nov/2026:06:00:@ +0130',
      '%S %Y-%m-%d %H:%M': '@ 2026-11-21 06:00',
      '%Y%m%d%H%M%S': '20261121060@',
      '%b %d %H:%M:%S.%L': 'Nov 21 06:00:@.25',
      '%H:%M:%S': '06:00:@',
      '%j %Y %I:%M:%S %p': '325 2026 06:00:@ pm',
      '%Y-%m-%d %H:%M:%S %S': '2026-11-21 06:00:@ @',
    }
    const nowMs = (): number => Date.UTC(2026, 10, 22)
    const second = fc.oneof(
      fc.integer({ min: 0, max: 70 }).map((n) => String(n).padStart(2, '0')),
      fc.constantFrom('5', ' 5', '5 ', '/0', ':0', '0:', '', '059', '60', '61'),
    )
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(texts)),
        fc.array(second, { minLength: 2, maxLength: 6 }),
        (format, seconds) => {
          const reader = compileTime(format, { nowMs })
          for (const each of seconds) {
            const src = Buffer.from((texts[format] ?? '').replaceAll('@', each))
            const [out, expected] = [{ ...UNSET }, { ...UNSET }]
            const isRead = compileTime(format, { nowMs }).parse(src, 0, src.length, expected)
            expect([reader.parse(src, 0, src.length, out), out]).toEqual([isRead, expected])
          }
        },
      ),
      { numRuns: 500 },
    )
  })

  test('does not apply to a year after the fraction', () => {
    const reader = compileTime('%a %b %d %H:%M:%S.%L %Y')
    for (const year of [2026, 2026, 2025]) {
      const out = { ...UNSET }
      const src = Buffer.from(`Sat Nov 21 06:00:01.25 ${year}`)
      expect(reader.parse(src, 0, src.length, out)).toBe(true)
      expect(out).toEqual({ sec: Date.UTC(year, 10, 21, 6, 0, 1) / 1000, nsec: 250_000_000 })
    }
  })

  test('keeps the zone for the same zone text and changes it for another one', () => {
    const reader = compileTime('%d/%b/%Y:%H:%M:%S %z')
    const take = (text: string): number => {
      const out = { ...UNSET }
      const src = Buffer.from(`${text}]`)
      reader.parse(src, 0, src.length, out)
      return out.sec
    }
    const utc = take('21/Nov/2026:06:00:00 +0000')
    expect(take('21/Nov/2026:06:00:00 +0000')).toBe(utc)
    expect(take('21/Nov/2026:06:00:00 +0100')).toBe(utc - 3600)
    expect(take('21/Nov/2026:06:00:00 -0130')).toBe(utc + 5400)
  })
})

describe('invalid formats and texts', () => {
  test('an unknown conversion is a configuration error', () => {
    for (const format of ['%Q', '%', '%Y %f', '%N']) {
      expect(() => compileTime(format)).toThrow(ShipperError)
    }
  })

  test('any bytes are parsed without an exception and without reading outside', () => {
    const formats = [
      '%d/%b/%Y:%H:%M:%S %z',
      '%b %d %H:%M:%S',
      '%s.%L',
      '%Y-%m-%dT%H:%M:%S.%L%z',
      '%a %p %j %Z',
    ]
    const readers = formats.map((format) => compileTime(format))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const src = Buffer.from(bytes)
        for (const reader of readers) reader.parse(src, 0, src.length, { ...UNSET })
      }),
    )
  })
})

describe('a format without a year', () => {
  const at = (now: string): TimeSettings => ({ nowMs: () => Date.parse(now) })

  test('uses the current year', () => {
    expect(iso('%b %d %H:%M:%S', 'Nov  2 06:00:00', at('2026-11-21T12:00:00Z'))).toBe(
      '2026-11-02T06:00:00.000000000',
    )
  })

  test('uses the previous year in January for a line of December, also when the text repeats', () => {
    expect(iso('%b %d %H:%M:%S', 'Dec 31 23:59:59', at('2027-01-01T00:00:10Z'))).toBe(
      '2026-12-31T23:59:59.000000000',
    )
    let now = Date.parse('2026-12-31T23:59:59Z')
    const reader = compileTime('%b %d %H:%M:%S', { nowMs: () => now })
    const src = Buffer.from('Nov 21 06:00:00 x')
    const out = { ...UNSET }
    reader.parse(src, 0, src.length, out)
    const first = out.sec
    now += 365 * 86_400_000
    reader.parse(src, 0, src.length, out)
    expect(out.sec - first).toBe(365 * 86_400)
  })

  test('uses the next year for a zone where it has begun', () => {
    const settings = { ...at('2026-12-31T20:00:00Z'), zone: fixedZone(9 * 3600) }
    expect(iso('%b %d %H:%M:%S', 'Jan  1 05:00:00', settings)).toBe('2026-12-31T20:00:00.000000000')
  })

  test('uses the latest leap year for 29 February', () => {
    const day = (now: string): string => iso('%b %d', 'Feb 29', at(now)).slice(0, 10)
    expect(day('2027-06-01T00:00:00Z')).toBe('2024-02-29')
    expect(day('2028-02-29T12:00:00Z')).toBe('2028-02-29')
    expect(day('2028-02-28T00:00:00Z')).toBe('2028-02-29')
    expect(day('2028-02-27T23:59:59Z')).toBe('2024-02-29')
    // 2100 is not a leap year.
    expect(day('2103-01-01T00:00:00Z')).toBe('2096-02-29')
  })

  test('uses the previous year for a time more than a day ahead, in its own zone', () => {
    const read = (text: string, now: string, settings: TimeSettings = {}): string =>
      iso('%b %d %H:%M:%S', text, { ...at(now), ...settings }).slice(0, 13)
    expect(read('Nov 22 12:00:00', '2026-11-21T12:00:00Z')).toBe('2026-11-22T12')
    expect(read('Nov 22 12:00:01', '2026-11-21T12:00:00Z')).toBe('2025-11-22T12')
    expect(read('Dec 20 00:00:00', '2026-11-21T12:00:00Z')).toBe('2025-12-20T00')
    const zone = namedZone('Asia/Tokyo')
    expect(read('Nov 22 21:00:00', '2026-11-21T12:00:00Z', { zone })).toBe('2026-11-22T12')
    expect(read('Nov 22 21:00:01', '2026-11-21T12:00:00Z', { zone })).toBe('2025-11-22T12')
    expect(iso('%b %d %H:%M:%S %z', 'Nov 22 04:00:01 -0800', at('2026-11-21T12:00:00Z')).slice(0, 4)).toBe(
      '2025',
    )
    expect(read('Jan  1 00:00:05', '2026-12-31T23:59:50Z')).toBe('2027-01-01T00')
    expect(iso('%j %H', '366 00', at('2027-01-01T00:00:00Z')).slice(0, 10)).toBe('2024-12-31')
  })
})

test('a format without a date means today, or yesterday for a time that is still ahead', () => {
  const at = (now: string, zone = 0): TimeSettings => ({
    nowMs: () => Date.parse(now),
    zone: fixedZone(zone),
  })
  expect(iso('%H:%M:%S.%L', '11:00:00.5', at('2026-11-21T12:00:00Z'))).toBe('2026-11-21T11:00:00.500000000')
  expect(iso('%H:%M:%S', '23:59:59', at('2026-11-21T00:00:01Z'))).toBe('2026-11-20T23:59:59.000000000')
  expect(iso('%H:%M:%S', '01:00:00', at('2026-11-21T23:30:00Z', 7200))).toBe('2026-11-21T23:00:00.000000000')
})

describe('zones', () => {
  test('offsets are read in every spelling', () => {
    expect(['+0900', '-03:30', '+01', 'Z', 'x', '+9'].map(parseOffset)).toEqual([
      32400,
      -12600,
      3600,
      0,
      undefined,
      undefined,
    ])
  })

  test('a named zone has daylight saving time, with a repeated and a skipped hour', () => {
    const settings = { zone: namedZone('Europe/Berlin') }
    const berlin = (text: string): string => iso('%Y-%m-%d %H:%M', text, settings).slice(0, 16)
    expect(berlin('2026-07-01 12:00')).toBe('2026-07-01T10:00')
    expect(berlin('2026-12-01 12:00')).toBe('2026-12-01T11:00')
    expect(berlin('2026-10-25 02:30')).toBe('2026-10-25T00:30')
    expect(berlin('2026-10-25 03:00')).toBe('2026-10-25T02:00')
    expect(berlin('2026-03-29 01:59')).toBe('2026-03-29T00:59')
    expect(berlin('2026-03-29 03:00')).toBe('2026-03-29T01:00')
    expect(berlin('2026-03-29 02:30')).toBe('2026-03-29T01:30')
  })

  test('a named zone agrees with Intl', () => {
    const zone = namedZone('America/St_Johns')
    const show = new Intl.DateTimeFormat('sv-SE', {
      timeZone: 'America/St_Johns',
      dateStyle: 'short',
      timeStyle: 'medium',
    })
    const reader = compileTime('%Y-%m-%d %H:%M:%S', { zone })
    fc.assert(
      fc.property(fc.integer({ min: 1e9, max: 1.9e9 }), (sec) => {
        const text = show.format(sec * 1000)
        const src = Buffer.from(text)
        const out = { ...UNSET }
        expect(reader.parse(src, 0, src.length, out)).toBe(true)
        expect(show.format(out.sec * 1000)).toBe(text)
      }),
      { numRuns: 50 },
    )
  })

  test('the system zone agrees with Date', () => {
    const local = new Date(2026, 6, 1, 12, 0, 0).getTime() / 1000
    expect(read('%Y-%m-%d %H:%M', '2026-07-01 12:00', { zone: systemZone() }).sec).toBe(local)
  })

  test('an unknown zone is a configuration error', () => {
    expect(() => namedZone('Europe/Nowhere')).toThrow(ShipperError)
  })
})
