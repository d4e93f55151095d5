import { decodeMulti } from '@msgpack/msgpack'
import { HttpClient, type ListeningRun, post } from './listening-input.ts'

export const TYPE = { 'Content-Type': 'application/x-protobuf' }
export const JSON_TYPE = { 'Content-Type': 'application/json' }

export interface Event {
  tag: string
  time: string
  metadata: { [key: string]: unknown; group?: { metadata: unknown; attributes: unknown } }
  body: unknown
}

/** Returns the events that were delivered, with their metadata. */
export function events({ output }: ListeningRun): Event[] {
  return output.chunks.flatMap(({ tag, bytes }) =>
    [...decodeMulti(bytes, { useBigInt64: true })].map((entry) => {
      const [[ext, metadata], body] = entry as [[{ data: Uint8Array }, Event['metadata']], unknown]
      const data = Buffer.from(ext.data)
      const time = `${data.readUInt32BE(0)}.${String(data.readUInt32BE(4)).padStart(9, '0')}`
      return { tag, time, metadata, body }
    }),
  )
}

/** Sends a request to /v1/logs and waits for its answer. */
export async function send(run: ListeningRun, body: Buffer | string, headers: Record<string, string> = TYPE) {
  const client = new HttpClient(run.port)
  client.send(post('/v1/logs', body, headers))
  const answer = await client.answer()
  client.socket.destroy()
  return answer
}
