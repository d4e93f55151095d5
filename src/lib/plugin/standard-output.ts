import { messageOf, ShipperError, systemCode } from '../../core/error.ts'
import { systemCalls } from '../fs/system-calls.ts'

/** Interval at which writing to a full pipe is tried again; the pipe's reader sets the pace. */
export const FULL_PIPE_RETRY_MS = 5

/**
 * Writes bytes[at...] to standard output and returns the number of bytes that were taken; 0 when it is a pipe that is full now.
 * Throws the error of the system.
 */
export function writeToStdout(bytes: Buffer, at: number): number {
  try {
    return systemCalls.writeSync(1, bytes, at)
  } catch (error) {
    if (systemCode(error) === 'EAGAIN') return 0
    throw error
  }
}

/** Returns true when standard output is a terminal, which control characters of records must not reach. */
export function isTerminal(): boolean {
  return process.getBuiltinModule('node:tty').isatty(1)
}

/** True for the error of a standard output whose reader has ended, as `head` does. */
export function isReaderClosed(error: unknown): boolean {
  return systemCode(error) === 'EPIPE'
}

/** Returns an error of `writeToStdout` as that of an output. */
export function stdoutError(error: unknown): ShipperError {
  return new ShipperError('E_OUTPUT_WRITE', `cannot write to stdout: ${messageOf(error)}`, {
    retryable: true,
    scope: 'peer',
    cause: error,
    hint: 'the reader of stdout has ended, or the disk is full; what was not written is kept',
  })
}
