import type { Chunk } from '../../core/chunk.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import type { Output, OutputContext } from '../../core/plugin.ts'
import { JsonText } from '../json/msgpack-to-json.ts'
import { HOST_OPTION, STREAM_CLIENT_OPTIONS } from './client-options.ts'
import type { DatagramBatch } from './datagram-batch.ts'
import { DATAGRAM_COUNTERS } from './datagram-delivery.ts'
import { DatagramOutput } from './datagram-output.ts'
import { STREAM_COUNTERS, StreamClient } from './stream-client.ts'
import { tlsClientOptions } from './tls-client.ts'
import { badTlsValue } from './tls-files.ts'

/** Options of an output that speaks UDP, TCP or TLS, besides its port. */
export const SOCKET_OPTIONS = defineOptions({
  host: HOST_OPTION,
  mode: {
    type: 'enum',
    values: ['udp', 'tcp', 'tls', 'dtls'],
    default: 'udp',
    check: (mode) =>
      mode === 'dtls'
        ? {
            must: 'udp, tcp or tls',
            reason: 'DTLS is not supported',
            hint: 'set Mode tls where the receiver has a port for it',
          }
        : undefined,
    help: 'Datagrams of UDP, or a connection of TCP without or with TLS. DTLS is not supported: `dtls` is an error.',
  },
  ...STREAM_CLIENT_OPTIONS,
  ...tlsClientOptions({ tls: ['true'], mode: ['tls'] }),
})

type SocketOptions = OptionsOf<typeof SOCKET_OPTIONS> & { readonly port: number }

export const SOCKET_COUNTERS = { ...STREAM_COUNTERS, ...DATAGRAM_COUNTERS } as const

/** How an output writes the records of a chunk. */
export interface SocketEncoder {
  /** Appends the records to what is sent over a connection. */
  stream(text: JsonText, chunk: Chunk): void
  /** Appends the datagrams of the records, always the same number for the same chunk. */
  datagrams(batch: DatagramBatch, chunk: Chunk): void
}

/** Returns the output for the mode. Throws E_CONFIG_BAD_VALUE for options that do not go together. */
export function socketOutput(options: SocketOptions, ctx: OutputContext, encoder: SocketEncoder): Output {
  if (options.mode !== 'udp') return new StreamOutput(options, ctx, encoder)
  if (options.tls)
    throw badTlsValue('tls', 'tls is on, and Mode udp has no TLS', {
      hint: 'set Mode tls, or tls off to send the records as they are',
    })
  return new DatagramOutput(options, ctx, (batch, chunk) => encoder.datagrams(batch, chunk))
}

/** Sends chunks over a connection, one after the other. */
class StreamOutput implements Output {
  readonly #client: StreamClient
  readonly #encoder: SocketEncoder
  /** Encoded chunk. There is one in flight at most, so the buffer is used for all of them. */
  readonly #text = new JsonText()

  constructor(options: SocketOptions, ctx: OutputContext, encoder: SocketEncoder) {
    const tls = options.tls || options.mode === 'tls'
    this.#client = new StreamClient(options, { ...options, tls }, ctx)
    this.#encoder = encoder
  }

  async start(): Promise<void> {
    this.#client.start()
  }

  async flush(chunk: Chunk): Promise<void> {
    this.#text.reset()
    this.#encoder.stream(this.#text, chunk)
    await this.#client.send(this.#text.bytes())
  }

  close(): Promise<void> {
    return this.#client.close()
  }
}
