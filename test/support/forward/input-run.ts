import { decodeMultiStream } from '@msgpack/msgpack'
import { spec } from '../../../src/plugins/inputs/forward/index.ts'
import { type EngineRun, type ListeningOptions, runListening } from '../engine/listening-run.ts'
import { SocketClient } from '../socket-client.ts'

export type ForwardRun = EngineRun

/** Runs the input with the real engine, in this process. */
export function forwardIn(
  options: Record<string, string> = {},
  more: ListeningOptions = {},
): Promise<ForwardRun> {
  return runListening(spec, options, more)
}

/** A peer that keeps the acknowledgements that it receives. */
export class Client extends SocketClient {
  readonly acks: unknown[] = []

  constructor(at: number | string) {
    super(at)
    void this.#read()
  }

  async #read(): Promise<void> {
    try {
      for await (const map of decodeMultiStream(this.socket)) this.acks.push((map as { ack: unknown }).ack)
    } catch {
      // The connection was cut: the bytes before that count.
    }
  }
}
