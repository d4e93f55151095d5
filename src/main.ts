import { endOnDefect } from './cli/defects.ts'
import { main } from './cli/main.ts'

/** Time after which the process exits although a handle is still open. */
const EXIT_TIMEOUT_MS = 2000

/**
 * Runs the program. The process ends by itself when nothing is left to do, so that everything written to a pipe arrives.
 * The timer is for a leaked handle; it does not keep the process alive.
 */
async function start(): Promise<void> {
  endOnDefect()
  const status = await main(process.argv.slice(2))
  process.exitCode = status
  setTimeout(() => process.exit(status), EXIT_TIMEOUT_MS).unref()
}

void start()
