import { DEFECT_EVENTS, DEFECT_STATUS, writeDefect } from '../agent/last-handler.ts'
import { userCodePlace } from '../lib/plugin/user-code.ts'

/**
 * Ends the process with the status of a defect for an error that nothing has caught while no agent runs: as the arguments and
 * the configuration are read, and after the end of the agent. What timers and promises of a script throw after that end is no
 * matter of the agent any more, whose status stands.
 */
export function endOnDefect(): void {
  for (const event of DEFECT_EVENTS) {
    process.on(event, (error: unknown) => {
      // The handler of a running agent stops it in order.
      if (process.listenerCount(event) > 1) return
      if (userCodePlace(error) !== undefined) return
      writeDefect(error)
      process.exit(DEFECT_STATUS)
    })
  }
}
