import { ShipperError } from '../../../src/core/error.ts'
import {
  FIELD_STRIDE,
  NAME,
  NAME_END,
  VALUE,
  VALUE_END,
} from '../../../src/protocol/journal/export-fields.ts'
import { ExportScanner } from '../../../src/protocol/journal/export-scanner.ts'
import { LooseBuffers } from '../../support/engine/chunk-of.ts'
import { pieces } from '../random.ts'
import { kindOf, must, size, type Target } from '../target.ts'

const LIMITS = { maxFields: 20, maxFieldBytes: 200, maxEntryBytes: 1000, stripUnderscore: false }
const BLOCK_BYTES = 600
/** A field that is not complete is kept up to the limits, with a block to read into. */
const MAX_BUFFER_BYTES = 16 * (LIMITS.maxEntryBytes + 4096 + 256 + BLOCK_BYTES)

interface Read {
  entries: string[]
  error: string | undefined
  cuts: number
}

function read(cut: readonly Buffer[]): Read {
  const buffers = new LooseBuffers()
  const scan = new ExportScanner(LIMITS, buffers, BLOCK_BYTES)
  const made: Read = { entries: [], error: undefined, cuts: 0 }
  try {
    for (const piece of cut)
      for (let at = 0; at < piece.length; ) {
        const next = scan.push(piece, at)
        let found = 0
        for (; scan.next(); found++) made.entries.push(textOf(scan, made))
        must(next > at || found > 0, 'the scanner takes no bytes and has no entry')
        must(scan.buf.length <= MAX_BUFFER_BYTES, () => `a buffer of ${scan.buf.length} bytes`)
        at = next
      }
  } catch (error) {
    if (!(error instanceof ShipperError)) throw error
    made.error = kindOf(error)
  }
  scan.close()
  must(buffers.out.size === 0, 'a buffer was not given back')
  return made
}

function textOf(scan: ExportScanner, made: Read): string {
  const { buf, fields, fieldCount } = scan
  must(fieldCount <= LIMITS.maxFields, () => `${fieldCount} fields`)
  must(scan.keptBytes <= LIMITS.maxEntryBytes + 300, () => `${scan.keptBytes} bytes`)
  made.cuts += scan.truncatedValues + scan.droppedFields
  let text = `${buf.toString('latin1', scan.cursorStart, scan.cursorEnd)} ${scan.realtimeUs} ${scan.droppedFields}`
  for (let i = 0; i < fieldCount; i++) {
    const at = i * FIELD_STRIDE
    const [from, to] = [fields[at + VALUE] as number, fields[at + VALUE_END] as number]
    must(from >= 0 && to >= from && to <= buf.length, 'a field outside of the buffer')
    must(to - from <= LIMITS.maxFieldBytes, () => `a value of ${to - from} bytes`)
    text += `\n${buf.toString('latin1', fields[at + NAME], fields[at + NAME_END])}=${buf.toString('latin1', from, to)}`
  }
  return text
}

const ENTRY = '__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1790000000000000\nMESSAGE=hello\n_PID=7\nPRIORITY=6\n\n'

export const journal: Target = {
  name: 'journal',
  maxBytes: 20_000,
  dictionary: [
    '__CURSOR=',
    '__REALTIME_TIMESTAMP=',
    'MESSAGE\n\x05\0\0\0\0\0\0\0',
    '\n\n',
    '\xff\xff\xff\xff\xff\xff\xff\xff',
    '\0\0\0\0',
    '=',
    '\xe2\x82\xac',
  ],
  seeds: () => [
    ENTRY.repeat(3),
    Buffer.concat([
      Buffer.from('MESSAGE\n'),
      Buffer.from([5, 0, 0, 0, 0, 0, 0, 0]),
      Buffer.from('a\nb=c\n\n'),
      Buffer.from(ENTRY),
    ]),
    `${ENTRY}__CURSOR=cut\nA=\0\0\0\n${ENTRY}`,
    `M=${'x'.repeat(900)}\n\n${'F=1\n'.repeat(30)}\n`,
  ],
  run(input) {
    const whole = read([Buffer.from(input)])
    const cut = read(pieces(input))
    must(cut.error === whole.error, () => `in pieces ${cut.error}, as a whole ${whole.error}`)
    must(cut.entries.join('\n\n') === whole.entries.join('\n\n'), 'other entries in pieces than as a whole')
    return `${whole.error} ${size(whole.entries.length)} ${size(whole.cuts)} ${size(Math.max(0, ...whole.entries.map((e) => e.length)))}`
  },
}
