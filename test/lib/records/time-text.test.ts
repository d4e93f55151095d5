import { describe, expect, test } from 'bun:test'
import { encode } from '@msgpack/msgpack'
import { JsonText } from '../../../src/lib/json/msgpack-to-json.ts'
import { EventTime } from '../../../src/lib/records/event-time.ts'
import { TagText, Template } from '../../../src/lib/records/template.ts'

const DAY_S = Date.UTC(2026, 7, 17) / 1000

/** Returns the texts for records of the given seconds of 2026-08-17, made by one template. */
function textsAt(template: string, ...seconds: number[]): string[] {
  const compiled = Template.parse(template, { times: true })
  const buf = Buffer.from(encode({ app: 'web%Y' }))
  return seconds.map((second) => {
    const out = new JsonText()
    const time = Object.assign(new EventTime(), { sec: DAY_S + second })
    compiled.write(out, new TagText().set('t'), buf, 0, buf.length, undefined, time)
    return out.bytes().toString()
  })
}

describe('a template with times', () => {
  test('has the time of each record in UTC, and what a field contains as it is', () => {
    expect(textsAt('/l/%Y/%m/%d/$app-%H.log', 0, 3599, 3600)).toEqual([
      '/l/2026/08/17/web%Y-00.log',
      '/l/2026/08/17/web%Y-00.log',
      '/l/2026/08/17/web%Y-01.log',
    ])
  })

  test.each([
    ['%d', 86_399, '17', 86_400, '18'],
    ['%I%p', 43_199, '11AM', 43_200, '12PM'],
    ['%R', 59, '00:00', 60, '00:01'],
    ['%T', 1, '00:00:01', 2, '00:00:02'],
    ['%s', 0, String(DAY_S), 1, String(DAY_S + 1)],
    ['%j %% %y', 0, '229 % 26', 86_400, '230 % 26'],
    ['%-H', 0, '0', 3600, '1'],
  ])('%s changes when its text does, also back', (format, a, first, b, second) => {
    expect(textsAt(format, a, b, a, a, b)).toEqual([first, second, first, first, second])
  })

  test.each(['%', '%Q', '100%.log', '%N', '%L', '%n', 'x%5', '%Ey'])('refuses %s', (text) => {
    expect(() => Template.parse(text, { times: true })).toThrow('is not a time directive')
  })

  test('without times a percent sign is one', () => {
    const out = new JsonText()
    Template.parse('100%Y').write(out, new TagText().set('t'), Buffer.from([0x80]), 0, 1)
    expect(out.bytes().toString()).toBe('100%Y')
  })
})
