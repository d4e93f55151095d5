import { udpSender } from './udp-sender.ts'

/**
 * `bun udp-flood.ts PORT` sends datagrams `n0 ...`, `n1 ...` to 127.0.0.1 as fast as it can, until 20 were refused, and prints
 * how many were sent and how many of these were refused.
 */
const MAX_REFUSED = 20
const port = Number(process.argv[2])
const send = await udpSender(port)
let sent = 0
let refused = 0
while (refused < MAX_REFUSED) {
  const data = Buffer.from(`n${sent} ${'x'.repeat(100)}`)
  if (send(data)) sent++
  else refused++
}
process.stdout.write(`${sent} ${refused}\n`)
