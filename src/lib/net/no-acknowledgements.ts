import type { Logger } from '../../core/services.ts'

/** Says at the start what a crash costs: the senders have nothing left to send again. */
export function logNoAcknowledgements(log: Logger): void {
  log.info(
    'senders get no acknowledgements: what was received and is neither delivered nor in a buffer on disk is lost if this process is killed or the machine fails',
  )
}
