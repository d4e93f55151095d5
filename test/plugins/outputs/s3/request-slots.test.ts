import { expect, test } from 'bun:test'
import { RequestSlots } from '../../../../src/plugins/outputs/s3/request-slots.ts'
import { until } from '../../../support/until.ts'

const FAILURE = new Error('the service fails')
const OTHER = new Error('another failure')

/** Slots whose waits end when the test ends them. */
function slotsOf() {
  const waits: { ms: number; end: () => void }[] = []
  const clock = {
    nowMs: () => 0,
    after: (ms: number, end: () => void) => {
      waits.push({ ms, end })
      return waits.length as never
    },
    cancel: () => {},
  }
  const controller = new AbortController()
  const slots = new RequestSlots(clock, controller.signal, (error) => error === FAILURE)
  let error: Error | undefined
  const started: number[] = []
  const settled: PromiseSettledResult<void>[] = []
  const send = (n: number): void => {
    const request = async (): Promise<void> => {
      started.push(n)
      await new Promise((resolve) => setImmediate(resolve))
      if (error !== undefined) throw error
    }
    slots.run(request).then(
      (value) => void settled.push({ status: 'fulfilled', value }),
      (reason) => void settled.push({ status: 'rejected', reason }),
    )
  }
  const answer = (with_: Error | undefined): void => {
    error = with_
  }
  return { slots, waits, started, settled, send, answer, abort: () => controller.abort() }
}

test('while the service fails one request at a time is sent, each after a longer wait; then all go on', async () => {
  const s = slotsOf()
  s.answer(FAILURE)
  for (let n = 0; n < 100; n++) s.send(n)
  await until(() => s.settled.length === 8 && s.waits.length === 1)
  for (let probe = 1; probe <= 6; probe++) {
    expect(s.started.length).toBe(7 + probe)
    s.waits[probe - 1]?.end()
    await until(() => s.waits.length === probe + 1)
  }
  expect(s.started.length).toBe(14)
  const [first, ...others] = s.waits.map(({ ms }) => ms)
  expect(first).toBeLessThanOrEqual(500)
  expect(others.at(-1)).toBeGreaterThanOrEqual(2500)
  s.answer(undefined)
  s.waits.at(-1)?.end()
  await until(() => s.settled.length === 100)
  expect(s.waits.length).toBe(7)
})

test('failures that concern one request do not hold up the others', async () => {
  const s = slotsOf()
  s.answer(OTHER)
  for (let n = 0; n < 20; n++) s.send(n)
  await until(() => s.settled.length === 20)
  expect(s.waits).toEqual([])
})

test('an abort ends the waits, and what waits is not sent', async () => {
  const s = slotsOf()
  s.answer(FAILURE)
  for (let n = 0; n < 20; n++) s.send(n)
  await until(() => s.settled.length === 8)
  s.abort()
  await until(() => s.settled.length === 20)
  expect(s.started.length).toBe(8)
})
