import { main } from './cli/main.ts'

const LINGER_MS = 2000

/**
 * The process ends when nothing is left to do, so that what was written to a pipe arrives. The timer is for a handle
 * that was forgotten: it does not keep the process alive by itself.
 */
async function start(): Promise<void> {
  const status = await main(process.argv.slice(2))
  process.exitCode = status
  setTimeout(() => process.exit(status), LINGER_MS).unref()
}

void start()
