import { describe, expect, test } from 'bun:test'
import { ShipperError } from '../../../src/core/error.ts'
import { CredentialsCache } from '../../../src/lib/aws/credentials-cache.ts'
import type { Credentials } from '../../../src/lib/aws/signature.ts'
import { ManualClock } from '../../support/engine/manual-clock.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

function setup(lifeMs: number | 'endless' = HOUR) {
  const clock = new ManualClock()
  const lines: string[] = []
  const stop = new AbortController()
  const loader = {
    usedName: 'test',
    loads: 0,
    failure: undefined as Error | undefined,
    isChanged: false,
    held: undefined as Promise<void> | undefined,
    hasChanged: () => loader.isChanged,
    load: async (): Promise<Credentials> => {
      loader.loads++
      loader.isChanged = false
      await loader.held
      if (loader.failure !== undefined) throw loader.failure
      return {
        accessKeyId: `AK${loader.loads}`,
        secretAccessKey: 'secret-x',
        ...(lifeMs === 'endless' ? {} : { expiresMs: clock.nowMs() + lifeMs }),
      }
    },
  }
  const add = (level: string) => (message: string) => void lines.push(`${level} ${message}`)
  const log = { error: add('error'), warn: add('warn'), info: add('info'), debug: add('debug') }
  const cache = new CredentialsCache(loader, { clock, log, signal: stop.signal })
  const id = async (): Promise<string> => (await cache.get()).accessKeyId
  return { clock, lines, loader, cache, id }
}

const down = (): ShipperError =>
  new ShipperError('E_AWS_CREDENTIALS', 'no credentials: container failed: it is down', {
    retryable: true,
    scope: 'peer',
  })

describe('credentials', () => {
  test('are loaded once for all who ask at the same time, and kept', async () => {
    const { cache, loader } = setup()
    const all = await Promise.all([cache.get(), cache.get(), cache.get()])
    expect(new Set(all).size).toBe(1)
    expect(await cache.get()).toBe(all[0] as Credentials)
    expect(loader.loads).toBe(1)
  })

  test('without an end are never loaded again', async () => {
    const { clock, id, loader } = setup('endless')
    await id()
    clock.advance(1000 * 24 * HOUR)
    expect(await id()).toBe('AK1')
    expect(loader.loads).toBe(1)
  })

  test('are loaded again 5 to 10 minutes before their end, while the old ones serve', async () => {
    const { clock, id, loader } = setup()
    expect(await id()).toBe('AK1')
    clock.advance(50 * MINUTE - 1)
    expect(await id()).toBe('AK1')
    expect(loader.loads).toBe(1)
    clock.advance(5 * MINUTE + 1)
    expect(await id()).toBe('AK1')
    expect(loader.loads).toBe(2)
    expect(await id()).toBe('AK2')
  })

  test('that end soon serve for three quarters of their time at least', async () => {
    const { clock, id, loader } = setup(8 * MINUTE)
    await id()
    clock.advance(6 * MINUTE - 1)
    await id()
    expect(loader.loads).toBe(1)
  })

  test('serve until their end when others cannot be had, with a line of the log a minute', async () => {
    const { clock, id, loader, lines } = setup()
    await id()
    loader.failure = down()
    clock.advance(55 * MINUTE + 1)
    for (let i = 0; i < 280; i++) {
      expect(await id()).toBe('AK1')
      clock.advance(1000)
    }
    const warnings = lines.filter((line) => line.startsWith('warn'))
    expect(warnings.length).toBeGreaterThanOrEqual(2)
    expect(warnings.length).toBeLessThanOrEqual(5)
    expect(warnings[0]).toMatch(
      /^warn cannot renew credentials, still using the current ones until \d{4}-.*Z: no credentials: container failed: it is down$/,
    )
    // Attempts are made after waits that grow to a minute.
    expect(loader.loads).toBeLessThan(20)
    clock.advance(MINUTE)
    await expect(id()).rejects.toThrow('it is down')
    loader.failure = undefined
    clock.advance(MINUTE)
    expect(await id()).toMatch(/^AK\d+$/)
  })

  test('that cannot be had at first are tried again after a second, not by each request', async () => {
    const { clock, id, loader } = setup()
    loader.failure = down()
    for (let i = 0; i < 100; i++) await expect(id()).rejects.toThrow('it is down')
    expect(loader.loads).toBe(1)
    loader.failure = undefined
    clock.advance(1000)
    expect(await id()).toBe('AK2')
  })

  test('that were handed out with an end in the past serve for a minute: the clock may be ahead', async () => {
    const { clock, id, loader } = setup(-HOUR)
    expect(await id()).toBe('AK1')
    clock.advance(MINUTE - 1)
    expect(await id()).toBe('AK1')
    expect(loader.loads).toBe(1)
    clock.advance(1)
    expect(await id()).toBe('AK2')
  })

  test('that a service has refused are replaced before the next request, at most once a second', async () => {
    const { clock, cache, id, loader } = setup()
    const first = await cache.get()
    expect(cache.refuse(first)).toBe(false)
    expect(await id()).toBe('AK1')
    clock.advance(1000)
    expect(cache.refuse(first)).toBe(true)
    expect(await id()).toBe('AK2')
    // A late answer to a request with the old ones.
    expect(cache.refuse(first)).toBe(true)
    expect(await id()).toBe('AK2')
    expect(loader.loads).toBe(2)
  })

  test('of a file that has changed are loaded again, the old ones serve meanwhile', async () => {
    const { clock, id, loader } = setup('endless')
    await id()
    loader.isChanged = true
    expect(await id()).toBe('AK1')
    clock.advance(1000)
    await id()
    expect(await id()).toBe('AK2')
    expect(loader.loads).toBe(2)
  })

  test('are named in the log by their place, never by themselves, and again only when it is another', async () => {
    const { cache, clock, id, lines, loader } = setup()
    for (let i = 0; i < 3; i++) {
      cache.refuse(await cache.get())
      clock.advance(1000)
      cache.refuse(await cache.get())
    }
    expect(loader.loads).toBeGreaterThan(1)
    expect(lines).toEqual(['info using credentials from test'])
    loader.usedName = 'other'
    clock.advance(1000)
    cache.refuse(await cache.get())
    await id()
    expect(lines).toEqual(['info using credentials from test', 'info using credentials from other'])
  })

  test('that end before others may be asked for are an error that says so', async () => {
    const { clock, id } = setup(400)
    await id()
    clock.advance(400)
    await expect(id()).rejects.toMatchObject({
      code: 'E_AWS_CREDENTIALS',
      retryable: true,
      message: expect.stringContaining('they expired within 1 s after they were issued'),
    })
    clock.advance(600)
    expect(await id()).toBe('AK2')
  })

  test('of a file that changes right after it was read serve without a warning until it may be read again', async () => {
    const { clock, id, lines, loader } = setup('endless')
    await id()
    clock.advance(1000)
    loader.isChanged = true
    await id()
    await id()
    loader.isChanged = true
    clock.advance(999.5)
    await id()
    clock.advance(0.4)
    await id()
    expect(lines.filter((line) => line.startsWith('warn'))).toEqual([])
  })
})
