import { systemClock } from '../../../../src/engine/clock.ts'
import { outputContract } from '../../../contract/output.ts'
import { kafkaPeer } from '../../../support/kafka/peer.ts'
import { kafkaTo, linesChunk } from '../../../support/kafka/run.ts'

/** Returns the value of the only record, which is at the end, before the count of its headers. */
function idOf(bytes: Buffer): string {
  return bytes.subarray(bytes.lastIndexOf('c'), bytes.length - 1).toString()
}

outputContract('kafka', async (signal) => {
  const peer = await kafkaPeer()
  const { output } = await kafkaTo(peer, {}, undefined, systemClock, signal)
  return {
    output,
    chunk: (id) => linesChunk([id]),
    down: () => peer.close(),
    up: async () => void (await peer.listen()),
    acking: (on) => {
      peer.response = on ? 'send' : 'defer'
    },
    ackAll: () => peer.sendDeferred(),
    arrived: () => peer.arrivals.map(({ bytes }) => ({ id: idOf(bytes), bytes })),
  }
})
