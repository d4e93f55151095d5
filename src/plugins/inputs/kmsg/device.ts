import { closeSync, constants, openSync, readSync } from 'node:fs'
import { reasonOf, ShipperError, systemCode } from '../../../core/error.ts'
import { useDropIn } from '../../../lib/text/drop-in.ts'

const DEVICE = '/dev/kmsg'

/** Result of a read without a message: there is none now, or some were overwritten before they were read. */
export const NONE = -1
export const OVERWRITTEN = -2

/** The source of messages. Tests replace it. */
export interface Device {
  /** Opens it; throws E_KMSG. */
  open(): void
  /** Reads one message into `buf` and returns its length, NONE or OVERWRITTEN; 0 at the end, which only a stand-in has. */
  read(buf: Buffer): number
  close(): void
}

/** The log of the kernel, from its oldest message on. */
export class KernelLog implements Device {
  #fd: number | undefined
  readonly #path: string

  constructor(path = DEVICE) {
    this.#path = path
  }

  open(): void {
    try {
      // Without waiting: a thread that waits for a message cannot be told to stop.
      this.#fd = openSync(this.#path, constants.O_RDONLY | constants.O_NONBLOCK)
    } catch (error) {
      throw kmsgError(this.#path, error)
    }
  }

  read(buf: Buffer): number {
    try {
      return readSync(this.#fd as number, buf, 0, buf.length, null)
    } catch (error) {
      const code = systemCode(error)
      if (code === 'EAGAIN') return NONE
      if (code === 'EPIPE') return OVERWRITTEN
      throw kmsgError(this.#path, error)
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }
}

const ALLOWED = `${useDropIn('kmsg')}, with Helm set \`kmsg.enabled\``
/** What to do, by the code of the error. */
const HINTS: Record<string, string> = {
  EPERM: `the agent needs CAP_SYSLOG (kernel.dmesg_restrict is 1), and a container all privileges: ${ALLOWED}`,
  ENOENT: `the sandbox of the service hides it (PrivateDevices), or the container has none: ${ALLOWED}`,
}

function kmsgError(path: string, error: unknown): ShipperError {
  const code = systemCode(error) ?? ''
  const hint = HINTS[code === 'EACCES' ? 'EPERM' : code]
  return new ShipperError('E_KMSG', `cannot read ${path}: ${reasonOf(error)}`, {
    ...(hint !== undefined && { hint }),
    cause: error,
  })
}
