import { dlopen } from 'bun:ffi'
import { closeSync } from 'node:fs'
import { join } from 'node:path'
import { socketAddress } from '../../src/agent/notify-socket.ts'
import { atEnd, tmp } from './tmp.ts'
import { until } from './until.ts'

const AF_UNIX = 1
const SOCK_DGRAM = 2
const MSG_DONTWAIT = 0x40
const MAX_BYTES = 4096

const { symbols: libc } = dlopen('libc.so.6', {
  socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
  bind: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
  recv: { args: ['i32', 'ptr', 'u64', 'i32'], returns: 'i64' },
})

/** The service manager's end of sd_notify: a bound datagram socket, whose messages are kept as a list. */
export class NotifyManager {
  readonly address: string
  readonly #fd: number
  readonly #messages: string[] = []
  #isOpen = true

  constructor(address = join(tmp(), 'notify')) {
    this.address = address
    this.#fd = libc.socket(AF_UNIX, SOCK_DGRAM, 0)
    const target = socketAddress(address)
    if (typeof target === 'string') throw new Error(target)
    if (libc.bind(this.#fd, target, target.length) !== 0) throw new Error(`cannot bind ${address}`)
    atEnd(() => this.close())
  }

  /** Messages received so far. */
  get messages(): readonly string[] {
    const buffer = Buffer.alloc(MAX_BYTES)
    while (this.#isOpen) {
      const length = Number(libc.recv(this.#fd, buffer, MAX_BYTES, MSG_DONTWAIT))
      if (length < 0) break
      this.#messages.push(buffer.toString('utf8', 0, length))
    }
    return this.#messages
  }

  /** Number of messages with this line. */
  count(line: string): number {
    return this.messages.filter((message) => message.split('\n').includes(line)).length
  }

  /** Latest sentence. */
  get status(): string {
    const lines = this.messages.flatMap((message) => message.split('\n'))
    return lines.findLast((line) => line.startsWith('STATUS='))?.slice('STATUS='.length) ?? ''
  }

  received(line: string, times = 1): Promise<true> {
    const what = (): string => `${times} of ${line} in ${JSON.stringify(this.messages)}`
    return until(() => this.count(line) >= times, { what })
  }

  close(): void {
    if (this.#isOpen) closeSync(this.#fd)
    this.#isOpen = false
  }
}
