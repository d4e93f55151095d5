import { describe, expect, test } from 'bun:test'
import { ShipperError } from '../../src/core/error.ts'
import { Outage } from '../../src/engine/outage.ts'
import { listLog } from '../support/engine/chunks.ts'
import { ManualClock } from '../support/engine/manual-clock.ts'
import { rejected, unreachable } from '../support/engine/queue-bench.ts'

function bench(hasLimit = false) {
  const clock = new ManualClock()
  const logged = listLog()
  const outage = new Outage(clock, logged.log, hasLimit)
  /** Fails every second for this time. */
  const failFor = (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      outage.failed(unreachable())
      clock.advance(1000)
    }
  }
  return { clock, logged, outage, failFor }
}

const BEGIN =
  'warn output unreachable, retrying; inputs pause when the memory limit is reached: it did not work'

describe('an outage', () => {
  test('is logged at its begin, 10 s, 1 min, 10 min and then hourly with its age and attempts', () => {
    const { logged, failFor } = bench()
    failFor(3 * 3600 + 1)
    expect(logged.lines).toEqual([
      BEGIN,
      'warn output unreachable for 10 s, 10 attempts: it did not work',
      'warn output unreachable for 1 min, 60 attempts: it did not work',
      'warn output unreachable for 10 min, 600 attempts: it did not work',
      'warn output unreachable for 1 h, 3600 attempts: it did not work',
      'warn output unreachable for 2 h, 7200 attempts: it did not work',
      'warn output unreachable for 3 h, 10800 attempts: it did not work',
    ])
  })

  test('ends with a line that has its length, and leaves no timer', () => {
    const { clock, logged, outage, failFor } = bench()
    failFor(12)
    outage.delivered()
    expect(logged.lines.at(-1)).toBe('info output reachable again after 12 s, 12 attempts')
    expect([outage.down, clock.waiting]).toEqual([undefined, 0])
    clock.advance(86_400_000)
    expect(logged.lines).toHaveLength(3)
  })

  test.each(['E_PEER_AUTH', 'E_HTTP_ANSWER', 'E_AWS_CREDENTIALS'] as const)(
    'of the kind %s is not said to be one of the connection',
    (code) => {
      const { clock, logged, outage } = bench()
      for (let i = 0; i < 12; i++) {
        outage.failed(new ShipperError(code, 'the token is refused', { retryable: true, scope: 'peer' }))
        clock.advance(1000)
      }
      outage.delivered()
      expect(logged.lines).toEqual([
        'warn output is not accepting records, retrying; inputs pause when the memory limit is reached: the token is refused',
        'warn output is not accepting records for 10 s, 10 attempts: the token is refused',
        'info output is accepting records again after 12 s, 12 attempts',
      ])
    },
  )

  test('is known with its begin, attempts and latest reason, also when only chunks fail', () => {
    const { clock, logged, outage } = bench()
    const sinceMs = clock.nowMs()
    outage.failed(rejected())
    clock.advance(90_000)
    outage.failed(rejected())
    expect(outage.down).toEqual({ sinceMs, attempts: 2, reason: 'it did not work' })
    // The queue logs what concerns single chunks.
    expect(logged.lines).toEqual([])
    outage.delivered()
    expect([outage.down, logged.lines]).toEqual([undefined, []])
  })

  test('of a peer that did not answer begins when the attempt did, not with its timeout', () => {
    const { clock, logged, outage } = bench()
    const sinceMs = clock.nowMs()
    clock.advance(60_000)
    outage.failed(unreachable(), sinceMs)
    expect(outage.down?.sinceMs).toBe(sinceMs)
    clock.advance(540_000)
    expect(logged.lines).toEqual([BEGIN, 'warn output unreachable for 10 min, 1 attempt: it did not work'])
  })

  test('with Retry_Limit does not promise that delivery goes on by itself', () => {
    const { logged, failFor } = bench(true)
    failFor(11)
    expect(logged.lines[0]).toStartWith(
      'warn output unreachable, retrying up to Retry_Limit, after which records are given up',
    )
    for (const hint of logged.fields.map((fields) => String(fields?.hint)))
      expect(hint).toContain('Retry_Limit')
  })
})

describe('a peer that comes and goes', () => {
  test('does not fill the log: pairs of lines become rarer, and count the outages between', () => {
    const { clock, logged, outage } = bench()
    for (let i = 0; i < 43_200; i++) {
      outage.failed(unreachable())
      clock.advance(1000)
      outage.delivered()
      clock.advance(1000)
    }
    expect(logged.lines.length).toBeLessThan(70)
    expect(logged.lines.slice(0, 4)).toEqual([
      BEGIN,
      'info output reachable again after 1 s, 1 attempt',
      BEGIN,
      'info output reachable again after 1 s, 1 attempt, and 5 short outages before it',
    ])
    expect(logged.lines.at(-1)).toStartWith('info output reachable again')
  })

  test('is logged when it stays away, and at once again after a quiet time', () => {
    const { clock, logged, outage, failFor } = bench()
    failFor(1)
    outage.delivered()
    failFor(11)
    expect(logged.lines.at(-1)).toBe('warn output unreachable for 10 s, 10 attempts: it did not work')
    outage.delivered()
    clock.advance(7_200_000)
    outage.failed(unreachable())
    expect(logged.lines.at(-1)).toBe(BEGIN)
  })
})
