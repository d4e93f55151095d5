import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { atEnd } from '../tmp.ts'

/** A store with the bulk API that keeps a document once for each id: its field `log`, or without one all of it. */
export class IdStore {
  readonly byId = new Map<string, string>()
  conflicts = 0
  port = 0
  /** Time that an answer takes. */
  delayMs = 0

  static async start(): Promise<IdStore> {
    const store = new IdStore()
    const server = createServer((request, response) => {
      const pieces: Buffer[] = []
      request.on('error', () => {})
      request.on('data', (piece: Buffer) => pieces.push(piece))
      request.on('end', () => {
        const items = store.#write(Buffer.concat(pieces).toString().split('\n').slice(0, -1))
        const errors = items.some(({ create }) => create.status > 201)
        setTimeout(() => response.end(JSON.stringify({ errors, items })), store.delayMs)
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    atEnd(() => {
      server.closeAllConnections()
      server.close()
    })
    store.port = (server.address() as AddressInfo).port
    return store
  }

  #write(lines: string[]): { create: { status: number } }[] {
    const items: { create: { status: number } }[] = []
    for (let i = 0; i < lines.length; i += 2) {
      const id = (JSON.parse(lines[i] as string) as { create: { _id: string } }).create._id
      const document = lines[i + 1] as string
      const { log } = JSON.parse(document) as { log?: string }
      const isNew = !this.byId.has(id)
      if (isNew) this.byId.set(id, log ?? document)
      else this.conflicts++
      items.push({ create: { status: isNew ? 201 : 409 } })
    }
    return items
  }

  /** Returns how often the store has each line. */
  counts(): Map<string, number> {
    const counts = new Map<string, number>()
    for (const line of this.byId.values()) counts.set(line, (counts.get(line) ?? 0) + 1)
    return counts
  }
}
