import type Pool from 'undici/lib/dispatcher/pool.js'
import type { Controller, Handler, Headers, PoolOptions } from 'undici/lib/dispatcher/pool.js'

export type { Controller, Handler, Headers, Pool, PoolOptions }

export interface Undici {
  Pool: typeof Pool
  /** Option of a dispatch that takes a request out of the queue of its pool. */
  queuedAbort: symbol
}

let loading: Promise<Undici> | undefined

/**
 * Loads the part of undici that sends requests: its pool of connections. The whole package takes 2 MB more, and its bare
 * name is a stand-in under bun.
 */
export function loadUndici(): Promise<Undici> {
  loading ??= load()
  return loading
}

async function load(): Promise<Undici> {
  const [pool, symbols] = await Promise.all([
    import('undici/lib/dispatcher/pool.js'),
    import('undici/lib/core/symbols.js'),
  ])
  return { Pool: pool.default, queuedAbort: symbols.default.kQueuedAbort }
}
