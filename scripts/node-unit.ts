/** The settings by which systemd watches the agent, with the comment above them. */
const WATCHDOG = /(?:^#.*\n)*^NotifyAccess=.*\n^WatchdogSec=.*\n/m

/**
 * Returns the systemd unit for the variant with node inside. node cannot reach the socket for signs of life, so systemd would
 * end this variant again and again.
 */
export function withoutWatchdog(unit: string): string {
  if (!WATCHDOG.test(unit)) throw new Error('the unit has no watchdog')
  return unit.replace(WATCHDOG, '')
}
