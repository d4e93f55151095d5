import type { Socket } from 'bun'
import { encodeStr, writeEntryHead, writeMapHead, writeStr } from '../src/core/msgpack/encode.ts'

const FRAME_RECORDS = 500
const LINE_BYTES = 186
/** Frames without an ack at which the sender waits, as a shipper would. */
const MAX_FRAMES_IN_FLIGHT = 32
const SEND_INTERVAL_MS = 5
const TAG = 'app'
const ACK = Buffer.from('81a361636b', 'hex')

/** Sends records in the forward protocol at a fixed rate, or as fast as they are acknowledged. */
export class Load {
  sent = 0
  acked = 0
  #socket!: Socket
  #queue: Buffer[] = []
  #timer: ReturnType<typeof setInterval> | undefined
  #rest = Buffer.alloc(0)
  #wake = () => {}

  static async to(port: number): Promise<Load> {
    const load = new Load()
    load.#socket = await Bun.connect({
      hostname: '127.0.0.1',
      port,
      socket: { data: (_, bytes) => load.#data(bytes), drain: () => load.#write() },
    })
    return load
  }

  /** Records per second from now on; 0 stops sending. */
  set rate(perSecond: number) {
    clearInterval(this.#timer)
    this.#wake = () => {}
    if (perSecond === 0) return
    const from = performance.now()
    const before = this.sent
    const send = () => {
      const due = ((performance.now() - from) / 1000) * perSecond
      while (this.sent - before < due && this.sent - this.acked < MAX_FRAMES_IN_FLIGHT * FRAME_RECORDS)
        this.#frame()
    }
    this.#timer = setInterval(send, SEND_INTERVAL_MS)
    this.#wake = send
  }

  close(): void {
    this.rate = 0
    this.#socket.end()
  }

  #frame(): void {
    const chunk = String(this.sent).padStart(24, '0')
    const option = Buffer.from(`\x82\xa5chunk\xb8${chunk}\xa4size\xcd`, 'latin1')
    const size = Buffer.from([FRAME_RECORDS >> 8, FRAME_RECORDS & 255])
    this.#queue.push(FRAME, Buffer.concat([option, size]))
    this.sent += FRAME_RECORDS
    this.#write()
  }

  #write(): void {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const taken = Math.max(0, this.#socket.write(first))
      if (taken < first.length) {
        this.#queue[0] = first.subarray(taken)
        return
      }
      this.#queue.shift()
    }
  }

  #data(bytes: Buffer): void {
    const buf = Buffer.concat([this.#rest, bytes])
    let end = 0
    for (let at = buf.indexOf(ACK); at >= 0; at = buf.indexOf(ACK, end)) {
      end = at + ACK.length
      this.acked += FRAME_RECORDS
    }
    // An ack may be split between two reads.
    this.#rest = buf.subarray(Math.max(end, buf.length - ACK.length + 1))
    this.#wake()
  }
}

/** Returns a message without its option map. The lines differ, because equal ones would compress too well. */
function makeFrame(): Buffer {
  const entries = Buffer.alloc(FRAME_RECORDS * (LINE_BYTES + 40))
  let at = 0
  let random = 20261121
  for (let i = 0; i < FRAME_RECORDS; i++) {
    let line = `INFO request ${i} served`
    while (line.length < LINE_BYTES) {
      random = (random * 1103515245 + 12345) & 0x7fffffff
      line += ` ${random.toString(36)} and`
    }
    at = writeEntryHead(entries, at, 1_795_240_800 + i, 0)
    at = writeMapHead(entries, at, 1)
    at = writeStr(entries, at, 'log')
    at = writeStr(entries, at, line.slice(0, LINE_BYTES))
  }
  const head = Buffer.alloc(5)
  head[0] = 0xc6
  head.writeUInt32BE(at, 1)
  return Buffer.concat([Buffer.of(0x93), encodeStr(TAG), head, entries.subarray(0, at)])
}

const FRAME = makeFrame()
