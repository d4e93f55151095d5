import { describe, expect, test } from 'bun:test'
import { type Account, Budget } from '../../src/engine/budget.ts'
import { fc } from '../support/property.ts'
import { until } from '../support/until.ts'

const never = new AbortController().signal

/** Returns true when the promise has resolved after everything queued has run. */
async function resolved(promise: Promise<unknown>): Promise<boolean> {
  let done = false
  void promise.then(() => {
    done = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  return done
}

const action = fc.record({
  what: fc.constantFrom('take', 'take', 'take', 'give', 'give', 'takeLongLived', 'force'),
  bytes: fc.integer({ min: 1, max: 90_000 }),
  who: fc.nat(1),
  which: fc.nat(1000),
})

/** Two accounts, and the buffers taken from each. */
class Ledger {
  readonly budget = new Budget(200_000, 32_000)
  readonly accounts = [this.budget.account(120_000), this.budget.account(60_000)]
  out: { buf: Buffer; who: number; kind: string }[] = []

  bytes(which: (o: { who: number; kind: string }) => boolean): number {
    return this.out.reduce((n, o) => n + (which(o) ? o.buf.length : 0), 0)
  }

  give(which: number): void {
    const [buffer] = this.out.splice(which % Math.max(1, this.out.length), 1)
    if (buffer !== undefined) this.accounts[which % 2]?.give(buffer.buf)
  }

  take(who: number, bytes: number): void {
    const account = this.accounts[who] as Account
    const alone = this.bytes((o) => o.kind !== 'takeLongLived') === 0
    const before = this.budget.used
    const own = this.bytes((o) => o.who === who && o.kind !== 'takeLongLived')
    const buf = account.take(bytes)
    if (buf === undefined) {
      expect(alone).toBe(false)
      return
    }
    expect(buf.length).toBeGreaterThanOrEqual(bytes)
    const isGuaranteed = own + buf.length <= 200_000 / 128
    expect(before + buf.length <= 200_000 || alone || isGuaranteed).toBe(true)
    expect(own + buf.length <= account.limitBytes || own === 0).toBe(true)
    this.out.push({ buf, who, kind: 'take' })
  }

  check(): void {
    expect(new Set(this.out.map((o) => o.buf)).size).toBe(this.out.length)
    expect(this.budget.used).toBe(this.bytes(() => true))
    expect(this.budget.longLivedBytes).toBe(this.bytes((o) => o.kind === 'takeLongLived'))
    for (const [i, account] of this.accounts.entries())
      expect(account.used).toBe(this.bytes((o) => o.who === i))
    expect(this.budget.pooled).toBeLessThanOrEqual(50_000)
  }
}

test('takes never exceed the limits of process and account, except for a single buffer; the sums are exact', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
      const ledger = new Ledger()
      for (const { what, bytes, who, which } of actions) {
        if (what === 'give') ledger.give(which)
        else if (what === 'take') ledger.take(who, bytes)
        else ledger.out.push({ buf: (ledger.accounts[who] as Account)[what](bytes), who, kind: what })
        ledger.check()
      }
      while (ledger.out.length > 0) ledger.give(0)
      ledger.check()
    }),
    { numRuns: 200 },
  )
})

describe('a buffer', () => {
  test('has the smallest pooled size that fits, or else the requested size', () => {
    const account = new Budget(10_000_000, 256_000).account(10_000_000)
    const sizes = [1, 1025, 4097, 65_536, 65_537, 256_000, 256_001].map((n) => account.take(n)?.length)
    expect(sizes).toEqual([1024, 4096, 16_384, 65_536, 256_000, 256_000, 256_001])
    // The largest size is at most four times the next one, so that a limit of a few chunks allows a few.
    const large = new Budget(10_000_000, 1_000_000).account(10_000_000)
    expect([65_537, 262_145].map((n) => large.take(n)?.length)).toEqual([262_144, 1_000_000])
    // And at most a quarter of the limit, or a line would request more than any account may have.
    const small = new Budget(1_000_000, 2_000_000).account(1_000_000)
    expect([65_537, 300_000].map((n) => small.take(n)?.length)).toEqual([65_537, 300_000])
  })

  test('is reused when one of its size was given back', () => {
    const account = new Budget(1_000_000, 64_000).account(1_000_000)
    const buf = account.take(5000) as Buffer
    account.give(buf)
    expect(account.take(5000)).toBe(buf)
    expect(account.take(5000)).not.toBe(buf)
  })

  test('is counted once, for the account that took it, whoever gives it back', () => {
    const budget = new Budget(1_000_000, 64_000)
    const [a, b] = [budget.account(500_000), budget.account(500_000)]
    const buf = a.take(4096) as Buffer
    b.give(buf)
    b.give(buf)
    a.give(Buffer.alloc(4096))
    expect([a.used, b.used, budget.used]).toEqual([0, 0, 0])
    expect(a.take(4096)).toBe(buf)
    expect(b.take(4096)).not.toBe(buf)
  })

  test('may be larger than the limit when nothing but read buffers is taken', () => {
    const budget = new Budget(100_000, 64_000)
    const [a, b] = [budget.account(50_000), budget.account(50_000)]
    a.takeLongLived(30_000)
    b.takeLongLived(80_000)
    const big = a.take(300_000) as Buffer
    expect(big.length).toBe(300_000)
    expect([a.take(1), b.take(1)]).toEqual([undefined, undefined])
    a.give(big)
    expect(b.take(4000)?.length).toBe(4096)
  })
})

test('a long-lived buffer leaves the account its full limit for records', () => {
  const budget = new Budget(1_000_000, 64_000)
  const account = budget.account(10_000)
  const held = account.takeLongLived(262_144)
  expect([account.take(4096)?.length, account.take(4096)?.length]).toEqual([4096, 4096])
  expect(account.take(4096)).toBeUndefined()
  account.give(held)
  expect([account.used, budget.longLivedBytes]).toEqual([8192, 0])
  expect(account.take(4096)).toBeUndefined()
})

test('an account at its limit does not block another', () => {
  const budget = new Budget(1_000_000, 64_000)
  const [a, b] = [budget.account(20_000), budget.account(20_000)]
  a.take(16_384)
  expect(a.take(16_384)).toBeUndefined()
  expect(b.take(16_384)?.length).toBe(16_384)
})

describe('waitForMemory', () => {
  test('resolves at once when nothing was refused', async () => {
    const account = new Budget(100_000, 16_000).account(50_000)
    expect(await resolved(account.waitForMemory(never))).toBe(true)
  })

  test('resolves when the refused size fits, not with any buffer', async () => {
    const account = new Budget(100_000, 65_536).account(80_000)
    const [small, large] = [account.take(4096) as Buffer, account.take(65_536) as Buffer]
    expect(account.take(65_536)).toBeUndefined()
    const memoryFreed = account.waitForMemory(never)
    account.give(small)
    expect(await resolved(memoryFreed)).toBe(false)
    account.give(large)
    expect(await resolved(memoryFreed)).toBe(true)
    expect(account.take(65_536)).toBeDefined()
  })

  test('resolves at once when memory was freed between the refusal and the call', async () => {
    const account = new Budget(100_000, 65_536).account(70_000)
    const buf = account.take(65_536) as Buffer
    account.take(65_536)
    account.give(buf)
    expect(await resolved(account.waitForMemory(never))).toBe(true)
  })

  test('resolves when the refused size fits next to a long-lived buffer that is taken again', async () => {
    const budget = new Budget(100_000, 65_536)
    const [other, mine] = [budget.account(100_000), budget.account(100_000)]
    const taken = [other.take(40_000), other.take(20_000)] as Buffer[]
    const block = mine.takeLongLived(30_000)
    expect(mine.take(16_384)).toBeUndefined()
    mine.give(block)
    const memoryFreed = mine.waitForMemory(never)
    expect(await resolved(memoryFreed)).toBe(false)
    other.give(taken[1] as Buffer)
    expect(await resolved(memoryFreed)).toBe(true)
    mine.takeLongLived(30_000)
    expect(mine.take(16_384)).toBeDefined()
  })

  test('resolves for every account that waits for the same budget', async () => {
    const budget = new Budget(70_000, 65_536)
    const [a, b, c] = [budget.account(70_000), budget.account(70_000), budget.account(70_000)]
    const buf = c.take(65_536) as Buffer
    for (const account of [a, b]) expect(account.take(65_536)).toBeUndefined()
    const bothFreed = Promise.all([a.waitForMemory(never), b.waitForMemory(never)])
    expect(await resolved(bothFreed)).toBe(false)
    c.give(buf)
    expect(await resolved(bothFreed)).toBe(true)
  })

  test('resolves for a small request while another waits for a larger one', async () => {
    const budget = new Budget(140_000, 65_536)
    const [a, b, c] = [budget.account(140_000), budget.account(140_000), budget.account(140_000)]
    const [small] = [c.take(4096) as Buffer, c.take(65_536), c.take(65_536)]
    expect([a.take(65_536), b.take(4096)?.length]).toEqual([undefined, 4096])
    expect(b.take(4096)).toBeUndefined()
    const [large, little] = [a.waitForMemory(never), b.waitForMemory(never)]
    c.give(small)
    expect([await resolved(large), await resolved(little)]).toEqual([false, true])
  })

  test('resolves on abort, for waits with that signal only', async () => {
    const account = new Budget(70_000, 65_536).account(70_000)
    const buf = account.take(65_536) as Buffer
    account.take(65_536)
    const [one, two] = [new AbortController(), new AbortController()]
    const first = [account.waitForMemory(one.signal), account.waitForMemory(one.signal)]
    const second = account.waitForMemory(two.signal)
    one.abort()
    expect(await resolved(Promise.all(first))).toBe(true)
    expect(await resolved(second)).toBe(false)
    expect(await resolved(account.waitForMemory(one.signal))).toBe(true)
    account.give(buf)
    expect(await resolved(second)).toBe(true)
  })
})

test('an account is paused while the refused size would be refused again', () => {
  const account = new Budget(100_000, 65_536).account(70_000)
  const buf = account.take(65_536) as Buffer
  expect(account.paused).toBe(false)
  account.take(65_536)
  expect(account.paused).toBe(true)
  // No account has to ask again: a reader that has reached the end of its files does not.
  account.give(buf)
  expect(account.paused).toBe(false)
})

test('any number of waits on one signal adds one listener', async () => {
  const account = new Budget(70_000, 65_536).account(70_000)
  let listeners = 0
  const signal = new AbortController().signal
  const add = signal.addEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++
    add(...args)
  }
  for (let i = 0; i < 50; i++) {
    const buf = account.take(65_536) as Buffer
    account.take(65_536)
    const memoryFreed = account.waitForMemory(signal)
    account.give(buf)
    await memoryFreed
  }
  expect(listeners).toBe(1)
})

test('many readers that wait and resume never exceed the limit', async () => {
  const budget = new Budget(300_000, 65_536)
  const stop = new AbortController()
  const done = [0, 0, 0]
  const readers = done.map(async (_, i) => {
    const account = budget.account(200_000)
    while ((done[i] as number) < 200) {
      const buf = account.take(1 + (((done[i] as number) * 7919) % 65_536))
      if (buf === undefined) {
        await account.waitForMemory(stop.signal)
        continue
      }
      expect(budget.used).toBeLessThanOrEqual(300_000)
      done[i] = (done[i] as number) + 1
      setImmediate(() => account.give(buf))
    }
  })
  await Promise.all(readers)
  await until(() => budget.used === 0)
  expect(done).toEqual([200, 200, 200])
})

test('a buffer that the pool does not keep frees its memory when it is given back', () => {
  const account = new Budget(10_000_000, 65_536).account(10_000_000)
  const large = account.force(3_000_000)
  const small = account.force(65_536)
  account.give(large)
  account.give(small)
  expect(large.length).toBe(0)
  expect(small.length).toBe(65_536)
  expect(account.used).toBe(0)
})

test('an account that holds little gets a buffer however large the receive buffers of another are, and one that holds more does not', () => {
  const budget = new Budget(16_000_000, 1_000_000)
  const [hostile, quiet] = [budget.account(2_000_000), budget.account(2_000_000)]
  hostile.takeLongLived(15_999_000)
  const first = quiet.take(4096)
  expect(first).toHaveLength(4096)
  expect(quiet.take(65_536)).toHaveLength(65_536)
  expect(quiet.take(65_536)).toBeUndefined()
  expect(quiet.paused).toBe(true)
})

test('a buffer that is moved counts for another account, and who waited for its bytes is woken', async () => {
  const budget = new Budget(1_000_000, 65_536)
  const [from, to] = [budget.account(100_000), budget.account(100_000)]
  const buf = from.force(65_536)
  expect(from.take(90_000)).toBeUndefined()
  const wait = from.waitForMemory(new AbortController().signal)
  budget.move(buf, to)
  await wait
  expect([from.used, to.used, budget.used]).toEqual([0, 65_536, 65_536])
  expect(from.take(90_000)).toBeDefined()
  from.give(buf)
  expect([from.used, to.used, budget.used]).toEqual([90_000, 0, 90_000])
})

test('an account with a reserve that has nothing gets a buffer of any size, whatever the others hold', async () => {
  const budget = new Budget(1_000_000, 65_536)
  const [kept, other] = [budget.account(100_000), budget.account(1_000_000)]
  kept.hasReserve = true
  budget.reservedBytes = 100_000
  while (other.take(65_536) !== undefined);
  const receiving = kept.takeLongLived(300_000)
  const large = kept.take(700_000)
  expect(large).toBeDefined()
  // One at a time.
  expect(kept.take(700_000)).toBeUndefined()
  const second = budget.account(100_000)
  second.hasReserve = true
  expect(second.take(700_000)).toBeUndefined()
  const wait = second.waitForMemory(new AbortController().signal)
  budget.move(large as Buffer, other)
  await wait
  expect(second.take(700_000)).toBeDefined()
  kept.give(receiving)
  expect(kept.used).toBe(0)
})
