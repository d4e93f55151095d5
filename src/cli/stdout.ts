import { reasonOf, ShipperError, systemCode } from '../core/error.ts'

/** Thrown when nobody reads stdout any more, as after `| head`: the command ends like other programs do. */
export class ReaderGone extends Error {}

/** Exit status of a program that SIGPIPE has ended. */
export const READER_GONE_STATUS = 141

let isWatched = false

/** Writes to stdout, at the pace of its reader. Throws ReaderGone, or E_OUTPUT_WRITE when it cannot be written. */
export function print(text: string): Promise<0> {
  // A stream without a listener would throw its error once more.
  if (!isWatched) process.stdout.on('error', () => {})
  isWatched = true
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(failureOf(error))
    try {
      process.stdout.write(text, (error) => (error ? fail(error) : resolve(0)))
    } catch (error) {
      fail(error)
    }
  })
}

function failureOf(error: unknown): Error {
  if (systemCode(error) === 'EPIPE') return new ReaderGone()
  return new ShipperError('E_OUTPUT_WRITE', `cannot write to stdout: ${reasonOf(error)}`, { cause: error })
}
