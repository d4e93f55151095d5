import { udpSender } from '../test/support/udp-sender.ts'

/**
 * `bun bench/datagrams.ts PORT RATE SECONDS MESSAGE`: sends datagrams to 127.0.0.1 at a fixed rate, in bursts of a millisecond, and prints
 * how many the kernel has taken. A process of its own: the sender must not wait for what is measured.
 */
const BURST_MS = 1
const [port = 0, rate = 0, seconds = 0] = process.argv.slice(2, 5).map(Number)
const data = Buffer.from(process.argv[5] ?? '')

const send = await udpSender(port)
const clock = new Int32Array(new SharedArrayBuffer(4))
const startedMs = performance.now()
let sent = 0
for (let due = 0; due < rate * seconds; ) {
  due = Math.min(rate * seconds, Math.floor(((performance.now() - startedMs) * rate) / 1000))
  while (sent < due) if (send(data)) sent++
  Atomics.wait(clock, 0, 0, BURST_MS)
}
const tookS = (performance.now() - startedMs) / 1000
process.stdout.write(`${sent} ${tookS}\n`)
