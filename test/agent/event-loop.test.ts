import { expect, test } from 'bun:test'
import { EventLoopWatch } from '../../src/agent/event-loop.ts'
import { ManualClock } from '../support/engine/manual-clock.ts'

/** A watch whose loop is late by `late` milliseconds, with the warnings that it logs. */
function watched(losesDatagrams = false) {
  const clock = new ManualClock(0)
  const state = { late: 0, records: 0 }
  const warnings: string[] = []
  const quiet = () => {}
  const log = { error: quiet, warn: (text: string) => void warnings.push(text), info: quiet, debug: quiet }
  const watch = new EventLoopWatch(clock, log, losesDatagrams, () => clock.nowMs() + state.late)
  return { clock, state, warnings, watch }
}

test('a timer that is late shows the lag, and one over a second is counted and logged once for all timers due in it', () => {
  const { clock, state, warnings, watch } = watched()
  let ran = 0
  for (const ms of [100, 200, 300]) watch.clock.after(ms, () => ran++)
  clock.advance(100)
  expect(watch.snapshot()).toEqual({ worstLagMs: 0, slowTurns: 0 })
  state.late = 1500
  clock.advance(200)
  expect(ran).toBe(3)
  expect(watch.snapshot()).toEqual({ worstLagMs: 1500, slowTurns: 1 })
  expect(warnings).toEqual([
    'the agent was blocked for at least 1.5 s: all inputs and outputs waited, nothing is lost',
  ])
})

test('where an input receives datagrams, the line says that some may be lost', () => {
  const { clock, state, warnings, watch } = watched(true)
  watch.clock.after(100, () => {})
  state.late = 1500
  clock.advance(100)
  expect(warnings).toEqual([
    'the agent was blocked for at least 1.5 s: all inputs and outputs waited, datagrams that came in the meantime may be lost, see lost_datagrams; nothing else is',
  ])
})

test('the work of a timer itself is timed', () => {
  const { clock, state, watch } = watched()
  watch.clock.after(100, () => {
    state.late += 2000
  })
  clock.advance(100)
  expect(watch.snapshot()).toEqual({ worstLagMs: 2000, slowTurns: 1 })
})

test('slow turns within a minute of a warning are counted in the next one', () => {
  const { clock, state, warnings, watch } = watched()
  const slowTurn = (ms: number): void => {
    watch.clock.after(10, () => {
      state.late += ms
    })
    clock.advance(10)
  }
  for (const ms of [1000, 3000, 2000]) slowTurn(ms)
  expect(warnings).toHaveLength(1)
  clock.advance(60_000)
  slowTurn(1200)
  expect(warnings[1]).toEndWith('nothing is lost; 2 more since the last such line, the longest 3.0 s')
  expect(watch.snapshot().slowTurns).toBe(4)
})

test('the worst lag is that of the last one to two minutes', () => {
  const { clock, state, watch } = watched()
  watch.clock.after(10, () => {
    state.late += 400
  })
  clock.advance(10)
  clock.advance(60_000)
  expect(watch.snapshot().worstLagMs).toBe(400)
  clock.advance(60_000)
  expect(watch.snapshot().worstLagMs).toBe(0)
})

test('an idle agent is woken once a minute, or as often as the watchdog needs, and a very busy one twice a second', () => {
  const beats = (maxMs: number | undefined, recordsPerBeat: number): number => {
    const { clock, state, watch } = watched()
    let n = 0
    const beat = (): void => {
      n++
      state.records += recordsPerBeat
    }
    watch.start({ beat, maxMs, records: () => state.records })
    clock.advance(600_000)
    watch.stop()
    expect(clock.waiting).toBe(0)
    return n
  }
  // The first one comes after a second.
  expect(beats(undefined, 0)).toBe(10)
  expect(beats(2000, 0)).toBe(300)
  expect(beats(30_000, 0)).toBe(20)
  const busy = watched()
  let n = 0
  busy.watch.start({ beat: () => n++, records: () => busy.clock.nowMs() * 10 })
  busy.clock.advance(20_000)
  expect(n).toBe(1 + 38)
})

test('a pulse comes with another timer of the agent when it is half due, which saves a wake-up', () => {
  const { clock, watch } = watched()
  const times: number[] = []
  watch.start({ beat: () => times.push(clock.nowMs()), records: () => 0 })
  const again = (): void => void watch.clock.after(20_000, again)
  again()
  clock.advance(130_000)
  expect(times).toEqual([1000, 40_000, 80_000, 120_000])
})
