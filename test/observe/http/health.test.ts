import { describe, expect, test } from 'bun:test'
import type { Snapshot } from '../../../src/core/snapshot.ts'
import { HealthWindow, healthLines } from '../../../src/observe/http/health.ts'
import { sampleBuffer, sampleFilter, sampleOutput, sampleSnapshot } from '../../support/engine/snapshot.ts'

const OPTIONS = { enabled: true, errorsCount: 5, retryFailureCount: 2, periodMs: 60_000, outputDownMs: 0 }

function at(seconds: number, errors: number, retriesFailed = 0): Snapshot {
  return sampleSnapshot({
    startedMs: 0,
    nowMs: seconds * 1000,
    outputs: [sampleOutput({ errors, retriesFailed })],
  })
}

test('more errors than the limit within the period are unhealthy', () => {
  const window = new HealthWindow(OPTIONS, 0)
  expect(window.check(at(10, 5)).status).toBe('ok')
  expect(window.check(at(10, 6))).toEqual({
    status: 'error',
    errors: 6,
    retries_failed: 0,
    error_limit: 5,
    retry_failure_limit: 2,
    period_limit: 60,
    output_down_limit: 0,
    dead_letters: [],
    outputs: [],
  })
})

test('chunks dropped after Retry_Limit have their own limit', () => {
  const window = new HealthWindow(OPTIONS, 0)
  expect(window.check(at(10, 0, 2)).status).toBe('ok')
  expect(window.check(at(10, 0, 3)).status).toBe('error')
})

test('errors of all outputs are added up', () => {
  const outputs = [sampleOutput({ errors: 3 }), sampleOutput({ name: 'b', errors: 3 })]
  const window = new HealthWindow(OPTIONS, 0)
  expect(window.check(sampleSnapshot({ nowMs: 1, outputs })).errors).toBe(6)
})

test('errors count until the period has passed', () => {
  const window = new HealthWindow(OPTIONS, 0)
  for (let s = 5; s <= 500; s += 5) {
    // Ten errors at second 100.
    const now = at(s, s >= 100 ? 10 : 0)
    window.sample(now)
    const isUnhealthy = s >= 100 && s < 160
    expect([s, window.check(now).status]).toEqual([s, isUnhealthy ? 'error' : 'ok'])
  }
})

test('the period begins at the latest sample before it, not at the oldest one', () => {
  const window = new HealthWindow(OPTIONS, 0)
  window.sample(at(5, 10))
  expect(window.check(at(64, 10)).errors).toBe(10)
  expect(window.check(at(65, 10)).errors).toBe(0)
})

test('a clock that is set back does not freeze the window', () => {
  const window = new HealthWindow(OPTIONS, 0)
  window.sample(at(1_000_000, 0))
  window.sample(at(10, 10))
  window.sample(at(80, 20))
  expect(window.check(at(150, 20)).errors).toBe(0)
})

describe('an output that is down', () => {
  const reason = 'cannot connect to 10.0.0.5:24224\nforged'
  const down = { sinceMs: Date.UTC(2026, 10, 21, 5), attempts: 26, reason }
  const after = (ms: number) =>
    sampleSnapshot({ nowMs: down.sinceMs + ms, outputs: [sampleOutput(), sampleOutput({ name: 'b', down })] })

  test('is named at once with its age and reason, and unhealthy after Hc_Output_Down without Health_Check', () => {
    const window = new HealthWindow({ ...OPTIONS, enabled: false, outputDownMs: 60_000 }, 0)
    const soon = window.check(after(59_999))
    expect(soon).toMatchObject({
      status: 'ok',
      outputs: [{ name: 'b', since: '2026-11-21T05:00:00.000Z', seconds: 59.999, attempts: 26 }],
    })
    expect(window.check(after(60_000)).status).toBe('error')
    expect(healthLines(soon)).toEqual([
      'b has been down since 2026-11-21T05:00:00.000Z (59 s, 26 attempts): cannot connect to 10.0.0.5:24224\\nforged',
    ])
  })

  test('may be down for any time with Hc_Output_Down 0', () => {
    const window = new HealthWindow(OPTIONS, 0)
    expect(window.check(after(86_400_000))).toMatchObject({ status: 'ok', outputs: [{ name: 'b' }] })
  })
})

describe('dead letters that are full', () => {
  const unkept = {
    sinceMs: Date.UTC(2026, 10, 21, 5),
    reason: '/d/x.jsonl is full\nforged',
    hint: 'replay it',
  }
  const down = { sinceMs: unkept.sinceMs - 1000, attempts: 3, reason: 'refused' }
  const after = (ms: number) =>
    sampleSnapshot({
      nowMs: unkept.sinceMs + ms,
      outputs: [sampleOutput({ name: 'a', down }), sampleOutput({ name: 'b', down, unkept })],
    })

  test('are named first, with what to do, before the destination that is refused', () => {
    expect(healthLines(new HealthWindow(OPTIONS, 0).check(after(5000)))).toEqual([
      'b cannot store rejected records since 2026-11-21T05:00:00.000Z (5 s): /d/x.jsonl is full\\nforged; records wait, and their inputs pause: replay it',
      'a has been down since 2026-11-21T04:59:59.000Z (6 s, 3 attempts): refused',
      'b has been down since 2026-11-21T04:59:59.000Z (6 s, 3 attempts): refused',
    ])
  })

  test('of a filter are named as those of an output, and are unhealthy as long', () => {
    const filters = [sampleFilter({ name: 'lua.0', unkept })]
    const window = new HealthWindow({ ...OPTIONS, outputDownMs: 60_000 }, 0)
    const check = (ms: number) => window.check(sampleSnapshot({ nowMs: unkept.sinceMs + ms, filters }))
    expect(healthLines(check(5000))).toEqual([
      'lua.0 cannot store rejected records since 2026-11-21T05:00:00.000Z (5 s): /d/x.jsonl is full\\nforged; records wait, and their inputs pause: replay it',
    ])
    expect([check(59_999).status, check(60_000).status]).toEqual(['ok', 'error'])
  })

  test('are unhealthy after Hc_Output_Down', () => {
    const window = new HealthWindow({ ...OPTIONS, outputDownMs: 60_000 }, 0)
    const outputs = [sampleOutput({ unkept })]
    const check = (ms: number) => window.check(sampleSnapshot({ nowMs: unkept.sinceMs + ms, outputs })).status
    expect([check(59_999), check(60_000)]).toEqual(['ok', 'error'])
  })
})

test('without Health_Check errors and failed retries do not count', () => {
  const window = new HealthWindow({ ...OPTIONS, enabled: false }, 0)
  expect(window.check(at(10, 1000, 1000))).toMatchObject({ status: 'ok', errors: 0, retries_failed: 0 })
})

test('a buffer on disk that cannot be written is named, and unhealthy after Hc_Output_Down', () => {
  const { nowMs } = sampleSnapshot()
  const window = new HealthWindow({ ...OPTIONS, enabled: false, outputDownMs: 60_000 }, 0)
  const of = (sinceMs: number) => {
    const problem = { sinceMs, reason: 'ENOSPC: no space\nleft', hint: 'free space' }
    return window.check(sampleSnapshot({ buffer: sampleBuffer({ problem }) }))
  }
  expect(of(nowMs - 59_000).status).toBe('ok')
  const state = of(nowMs - 60_000)
  expect(state).toMatchObject({
    status: 'error',
    buffer: { folder: '/var/lib/shipper/buffer', seconds: 60, hint: 'free space' },
  })
  expect(healthLines(state)).toEqual([
    `the buffer /var/lib/shipper/buffer has not been writable since ${new Date(nowMs - 60_000).toISOString()} (1 min): ENOSPC: no space\\nleft; records wait, and their inputs pause: free space`,
  ])
  expect(window.check(sampleSnapshot({ buffer: sampleBuffer() }))).not.toHaveProperty('buffer')
})

test('a buffer on disk that cannot be read is named, after one that cannot be written', () => {
  const { nowMs } = sampleSnapshot()
  const window = new HealthWindow({ ...OPTIONS, enabled: false, outputDownMs: 60_000 }, 0)
  const readProblem = { sinceMs: nowMs - 60_000, reason: 'EACCES', hint: 'let it be read' }
  const state = window.check(sampleSnapshot({ buffer: sampleBuffer({ readProblem }) }))
  expect(state).toMatchObject({ status: 'error', buffer: { failure: 'read', seconds: 60 } })
  expect(healthLines(state)).toEqual([
    `the buffer /var/lib/shipper/buffer has not been readable since ${new Date(nowMs - 60_000).toISOString()} (1 min): EACCES; what is on disk waits: let it be read`,
  ])
  const problem = { sinceMs: nowMs, reason: 'ENOSPC', hint: 'free space' }
  const both = window.check(sampleSnapshot({ buffer: sampleBuffer({ problem, readProblem }) }))
  expect(both).toMatchObject({ buffer: { failure: 'write', reason: 'ENOSPC' } })
})

test('a period of years is not sampled all the time: the interval is one that a timer takes', () => {
  expect(new HealthWindow({ ...OPTIONS, periodMs: 100 * 365 * 86_400_000 }, 0).intervalMs).toBe(2 ** 31 - 1)
})
