import { escapeControls, truncate } from '../core/escape-controls.ts'
import type { Logger } from '../core/services.ts'
import { type NotifySocket, openNotifySocket } from './notify-socket.ts'

/** Maximum length of the sentence in `systemctl status`. */
const MAX_STATUS_CHARS = 300
/** A sign of life is due after this part of the time that the manager waits for one, so that two may be lost. */
const PULSES_PER_TIMEOUT = 3
/**
 * Until the first pulse after READY the watchdog waits this many times as long: the positions of many files are read and
 * written in long turns, and an agent that is ended in one of them each time would never start.
 */
const START_FACTOR = 10
/** Longest time between pulses, after which a new sentence is told. */
const MAX_PULSE_MS = 10_000
/** Shortest time between signs of life: a timeout below it is not one that a service can keep. */
const MIN_PULSE_MS = 100

type Environment = Record<string, string | undefined>

/**
 * Tells the service manager what the agent does, by the protocol of sd_notify(3): READY when everything has started, STATUS with
 * one sentence when that changes, WATCHDOG with the pulse of the event loop, STOPPING. Without NOTIFY_SOCKET it does not
 * exist.
 */
export class ServiceManager {
  readonly #socket: NotifySocket
  readonly #log: Logger
  readonly #status: () => string
  /** Time within which the watchdog wants a sign of life; undefined: it wants none. */
  readonly #timeoutMs: number | undefined
  /** Longest time between pulses. */
  readonly pulseMs: number
  #state: 'starting' | 'ready' | 'running' | 'stopping' = 'starting'
  #lastStatus = ''
  /** A message about a state that the manager did not take. It is sent again with the next pulse. */
  #unsent = ''

  private constructor(
    socket: NotifySocket,
    log: Logger,
    status: () => string,
    timeoutMs: number | undefined,
  ) {
    this.#socket = socket
    this.#log = log
    this.#status = status
    this.#timeoutMs = timeoutMs
    const pulseMs = timeoutMs === undefined ? MAX_PULSE_MS : timeoutMs / PULSES_PER_TIMEOUT
    this.pulseMs = Math.min(MAX_PULSE_MS, Math.max(MIN_PULSE_MS, pulseMs))
  }

  /**
   * Opens the socket that the environment names and removes its variables, so that a child process cannot speak for the agent. Resolves
   * with undefined when there is none, or, after a warning, when it cannot be reached.
   */
  static async open(
    env: Environment,
    log: Logger,
    status: () => string,
  ): Promise<ServiceManager | undefined> {
    const { NOTIFY_SOCKET: address, WATCHDOG_USEC: timeout, WATCHDOG_PID: pid } = env
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name]
    if (address === undefined || address === '') return undefined
    const timeoutMs = watchdogMs(timeout, pid)
    const socket = await openNotifySocket(address)
    if (typeof socket !== 'string') {
      const manager = new ServiceManager(socket, log, status, timeoutMs)
      if (timeoutMs !== undefined) manager.#tell(watchdogLine(timeoutMs * START_FACTOR))
      return manager
    }
    const meaning =
      timeoutMs === undefined
        ? 'it is not told when the agent is ready'
        : `its watchdog ends the agent after ${timeoutMs / 1000} s`
    log.warn(`cannot notify the service manager at ${address}: ${socket}; ${meaning}`, {
      hint: 'remove WatchdogSec from the unit, or use Type=exec, where this cannot work',
    })
    return undefined
  }

  ready(): void {
    this.#state = 'ready'
    this.#tell('READY=1')
  }

  stopping(): void {
    if (this.#state === 'stopping') return
    this.#state = 'stopping'
    this.#tell('STOPPING=1')
  }

  /** Sends a sign of life, and the sentence if it has changed. Called by the event loop only, which it proves to turn. */
  pulse(): void {
    const isFirst = this.#state === 'ready'
    if (isFirst) this.#state = 'running'
    if (this.#timeoutMs === undefined) this.#tell('')
    else this.#tell(isFirst ? `${watchdogLine(this.#timeoutMs)}\nWATCHDOG=1` : 'WATCHDOG=1')
  }

  #tell(state: string): void {
    const status = truncate(escapeControls(this.#sentence()), MAX_STATUS_CHARS)
    const changed = status === this.#lastStatus ? '' : `STATUS=${status}`
    const message = [this.#unsent, state, changed].filter((part) => part !== '').join('\n')
    if (message === '') return
    const failure = this.#socket.send(message)
    if (failure === undefined) {
      this.#unsent = ''
      this.#lastStatus = status
      return
    }
    // A sign of life is told by the next pulse anyway; everything else stays true until it is told.
    if (state !== '' && state !== 'WATCHDOG=1')
      this.#unsent = this.#unsent === '' ? state : `${this.#unsent}\n${state}`
    this.#log.debug(`the service manager did not take ${state || 'the status'}: ${failure.message}`)
  }

  #sentence(): string {
    if (this.#state === 'starting') return 'starting'
    return this.#state === 'stopping' ? 'stopping: waiting for acknowledgements' : this.#status()
  }
}

function watchdogLine(ms: number): string {
  return `WATCHDOG_USEC=${Math.round(ms * 1000)}`
}

/** Returns the time within which the watchdog wants a sign of life, if it wants one of this process. */
function watchdogMs(timeout: string | undefined, pid: string | undefined): number | undefined {
  if (pid !== undefined && pid !== '' && pid !== String(process.pid)) return undefined
  const microseconds = Number(timeout)
  return Number.isSafeInteger(microseconds) && microseconds > 0 ? microseconds / 1000 : undefined
}
