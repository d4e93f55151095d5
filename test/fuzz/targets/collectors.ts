import { decode } from '@msgpack/msgpack'
import { ENTRY_HEAD, skip } from '../../../src/core/msgpack/encode.ts'
import type { InputContext } from '../../../src/core/plugin.ts'
import { LineRecords } from '../../../src/plugins/inputs/exec/line-records.ts'
import { boundOf, Message } from '../../../src/plugins/inputs/kmsg/message.ts'
import { bench } from '../../support/engine/appender-bench.ts'
import { pieces } from '../random.ts'
import { must, size, type Target } from '../target.ts'

const MAX_LINE_BYTES = 7
const NEVER = new AbortController().signal
const KEY = Buffer.from('\x81\xa4exec', 'latin1')

/** Returns the texts of the records that are made of the output of a command. */
async function recordsOf(cut: readonly Buffer[]): Promise<{ texts: string[]; splits: number }> {
  const { appender, account, clock, sealed } = bench({ flushMs: 1e9 })
  let splits = 0
  const counters = { add: () => splits++, get: () => splits }
  const ctx = { tag: 't', clock, counters, buffers: account, appender: () => appender, sealAll() {} }
  const lines = new LineRecords(MAX_LINE_BYTES, undefined, ctx as unknown as InputContext)
  for (const piece of cut) must((await lines.push(piece, NEVER)) === 0, 'bytes are lost')
  must((await lines.end(NEVER)) === 0, 'bytes are lost at the end')
  lines.close()
  appender.seal()
  const texts: string[] = []
  for (const { chunk } of sealed) {
    const { buf, start, end } = chunk
    for (let at = start; at < end; at = skip(buf, at, end)) {
      const text = at + ENTRY_HEAD + KEY.length
      must(buf.subarray(at + ENTRY_HEAD, text).equals(KEY), 'a record without its key')
      texts.push(buf.toString('latin1', text + 1, skip(buf, text, end)))
    }
    chunk.release()
  }
  must(account.used === 0, () => `${account.used} bytes are kept`)
  return { texts, splits }
}

/** Returns what the records have to be. */
function expected(text: string): string[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.flatMap((line) => {
    const count = Math.max(1, Math.ceil(line.length / MAX_LINE_BYTES))
    return Array.from({ length: count }, (_, i) => line.slice(i * MAX_LINE_BYTES, (i + 1) * MAX_LINE_BYTES))
  })
}

/** The output of a command, which comes in any pieces. */
export const commandLines: Target = {
  name: 'command-lines',
  maxBytes: 2000,
  dictionary: ['\n', '\n\n', '1234567', '1234567\n', '\r\n', '\0', '\xff'],
  seeds: () => ['one\ntwo\n', '1234567\n\n12345678\n', 'x'.repeat(30), '\n', ''],
  async run(input) {
    const { texts, splits } = await recordsOf(pieces(input))
    must(texts.join('\n') === expected(input.toString('latin1')).join('\n'), () => `${JSON.stringify(texts)}`)
    return `${size(texts.length)} ${size(splits)} ${texts.includes('')}`
  },
}

/** A message of the kernel, parts of which programs choose that may write to /dev/kmsg. */
export const kernelMessage: Target = {
  name: 'kernel-message',
  maxBytes: 9000,
  dictionary: [',', ';', '-', '\n ', 'KEY=value\n', '\\x0a', '9007199254740992', '0', '18446744073709551615'],
  seeds: () => [
    '6,339,5140900,-;NET: Registered protocol family 10\n',
    '30,340,5690716,c,caller=T1;udevd[80]: starting\n SUBSYSTEM=pci\n DEVICE=+pci:0000:00:01.0\n',
    '4,1,2,-;',
  ],
  run(input) {
    const message = new Message()
    if (!message.parse(input, input.length)) return 'none'
    const out = Buffer.alloc(boundOf(input.length), 0xc1)
    const end = message.write(out, 0, 1, 2)
    must(end <= out.length, () => `${end} of ${out.length} bytes`)
    must(skip(out, 0, end) === end, 'no entry')
    const record = decode(out.subarray(ENTRY_HEAD, end)) as Record<string, number>
    must(Object.keys(record).join() === 'priority,sequence,sec,usec,msg', 'other fields')
    const { priority = -1, sec = -1, usec = -1 } = record
    must(priority >= 0 && priority < 8 && usec >= 0 && usec < 1e6, () => JSON.stringify(record))
    must(sec * 1e6 + usec === message.stampUs, 'another stamp')
    return `${priority} ${size(sec)} ${size(input.length)}`
  },
}
