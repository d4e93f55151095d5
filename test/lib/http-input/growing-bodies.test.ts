import { expect, test } from 'bun:test'
import type { BufferSource } from '../../../src/core/buffer-source.ts'
import { BodyQueue } from '../../../src/lib/http-input/body-queue.ts'
import { type BodyHost, ReceivedBody } from '../../../src/lib/http-input/received-body.ts'
import { CHUNKED } from '../../../src/lib/net/http-server/head.ts'
import { ReceiveBudget } from '../../../src/lib/net/receive-budget.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'
import { fc } from '../../support/property.ts'

const MAX_BYTES = 2_000_000
const LIMIT = 4_000_000
const PIECE = Buffer.alloc(262_144)

/** All buffers are the same bytes: only sizes matter. */
const SHARED = Buffer.alloc(2 * MAX_BYTES)

function hostOf(): BodyHost {
  const buffers = {
    takeLongLived: (bytes: number) => SHARED.subarray(0, bytes),
    give: () => {},
  } as unknown as BufferSource
  const clock = new ManualClock()
  return {
    ctx: { clock },
    options: { bufferMaxSize: MAX_BYTES },
    receiveBudget: new ReceiveBudget(buffers, MAX_BYTES, clock),
    bodies: new BodyQueue(),
  }
}

/** A client that sends a body in pieces; one that was not taken is offered again. */
class Sender {
  readonly body: ReceivedBody
  isPaused = false
  sent = 0
  readonly bytes: number

  constructor(host: BodyHost, bytes: number, isChunked: boolean, onReadOn: (sender: Sender) => void) {
    this.bytes = bytes
    this.body = new ReceivedBody(isChunked ? CHUNKED : bytes, host, {
      waits: () => {
        this.isPaused = true
      },
      readOn: () => {
        this.isPaused = false
        onReadOn(this)
      },
      giveWay: () => expect.unreachable('nobody is silent'),
    })
  }

  get isComplete(): boolean {
    return this.sent === this.bytes
  }

  send(upTo: number): void {
    const bytes = Math.min(upTo, this.bytes - this.sent, PIECE.length)
    if (this.body.push(PIECE, 0, bytes)) this.sent += bytes
    if (this.isComplete) this.body.complete()
  }
}

async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}

const BODY = fc.record({
  bytes: fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 20_000, max: MAX_BYTES })),
  isChunked: fc.integer({ min: 0, max: 3 }).map((n) => n > 0),
  /** What arrives at once after a wait, and whether the bytes of a complete body are used for a while. */
  burst: fc.constantFrom(0, 1000, 100_000),
  isKept: fc.boolean(),
})

test('bodies that grow in any order with little memory are all completed, and all memory is given back', async () => {
  const bodies = fc.array(BODY, { minLength: 2, maxLength: 60 })
  const order = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: PIECE.length })), {
    minLength: 1,
    maxLength: 100,
  })
  await fc.assert(
    fc.asyncProperty(bodies, order, async (planned, steps) => {
      const host = hostOf()
      const kept: Sender[] = []
      const open = new Set<Sender>()
      const ended = (sender: Sender, isKept: boolean): void => {
        open.delete(sender)
        if (isKept) kept.push(sender)
        else sender.body.release()
      }
      for (const { bytes, isChunked, burst, isKept } of planned) {
        const sender = new Sender(host, bytes, isChunked, () => {
          if (burst > 0) sender.send(burst)
          if (sender.isComplete) ended(sender, isKept)
        })
        open.add(sender)
      }
      for (let i = 0; open.size > 0; i++) {
        const [pick, bytes] = steps[i % steps.length] as [number, number]
        const ready = [...open].filter(({ isPaused }) => !isPaused)
        const sender = ready[(pick + i) % ready.length]
        if (sender !== undefined) {
          sender.send(bytes)
          if (sender.isComplete) ended(sender, planned[i % planned.length]?.isKept === true)
        } else if (kept.length > 0) kept.shift()?.body.release()
        else expect.unreachable(`${open.size} bodies wait for each other`)
        await turns()
      }
      for (const { body } of kept) body.release()
      await turns()
      expect(host.bodies.hasWaiters).toBe(false)
      expect(host.receiveBudget.connection().hold(LIMIT)).toBe(true)
      expect(host.receiveBudget.connection().hold(LIMIT)).toBe(true)
      expect(host.receiveBudget.connection().hold(LIMIT)).toBe(false)
    }),
    { numRuns: 80, seed: 13 },
  )
})

/** Returns bodies that all have memory, more than there is, in the order in which they came; the last of them is privileged. */
function grown(host: BodyHost, readOn: (sender: Sender) => void): Sender[] {
  const senders = Array.from({ length: 40 }, () => new Sender(host, 900_000, true, readOn))
  for (const sender of senders) {
    sender.send(100_000)
    if (sender.isPaused) break
  }
  return senders.filter(({ sent }) => sent > 0)
}

test('the body that may exceed the limit goes on although others wait, and the next one after it', async () => {
  const host = hostOf()
  const resumed: Sender[] = []
  const senders = grown(host, (sender) => resumed.push(sender))
  const last = senders.at(-1) as Sender
  for (const sender of senders) if (sender !== last) while (!sender.isPaused) sender.send(100_000)
  expect(last.isPaused).toBe(false)
  while (!last.isComplete) {
    expect(last.isPaused).toBe(false)
    last.send(100_000)
  }
  expect(resumed).toEqual([])
  last.body.release()
  await turns()
  const next = resumed[0] as Sender
  while (!next.isComplete) {
    expect(next.isPaused).toBe(false)
    next.send(100_000)
  }
  expect(host.bodies.hasWaiters).toBe(true)
})
