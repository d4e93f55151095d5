import type { Logger } from '../../core/services.ts'

/** Says at the start what a crash costs: the senders have nothing left to send again. */
export function logNoAcknowledgements(log: Logger): void {
  log.info(
    'senders get no acknowledgements: what was received and is neither delivered nor in a buffer on disk is lost if this process is killed or the machine fails',
  )
}

/** Says at the start of an output what its peer does not: that it has got the records. */
export function warnNoAcknowledgements(log: Logger, protocol: 'stream' | 'datagrams'): void {
  log.warn(
    protocol === 'stream'
      ? 'the peer sends no acknowledgements: records in flight are lost if the connection breaks'
      : 'the peer sends no acknowledgements: datagrams that the network or the peer drops are lost without notice',
  )
}
