import { closeSync, constants, openSync, readSync } from 'node:fs'
import { reasonOf } from '../../core/error.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'
import { defineInput } from '../../core/plugin.ts'
import { INTERVAL_OPTIONS, IntervalInput, intervalMs } from '../../lib/plugin/interval-input.ts'
import { RecordBuilder } from '../../lib/records/record-builder.ts'

const OPTIONS = defineOptions({
  file: {
    type: 'string',
    required: true,
    help: 'Path of the file; a relative one is looked up in the working directory.',
  },
  key: { type: 'string', default: 'head', help: 'Field for the text.' },
  buf_size: {
    type: 'size',
    default: '256',
    min: 1,
    max: 1_000_000,
    help: 'Number of bytes that are read. With Split_Line: maximum length of a line.',
  },
  lines: {
    type: 'int',
    default: '0',
    min: 0,
    max: 10_000,
    help: 'Number of lines that are read, instead of Buf_Size bytes; 0: bytes. With Split_Line, 0 means 10.',
  },
  split_line: {
    type: 'bool',
    default: 'false',
    help: 'Put each line into a field of its own: `line0`, `line1`, ... A line that is not there is an empty text.',
  },
  add_path: { type: 'bool', default: 'false', help: 'Add File as `path`.' },
  ...INTERVAL_OPTIONS,
})

type Options = OptionsOf<typeof OPTIONS>

/** Maximum number of bytes of all lines: a file without newlines must not be read to its end. */
const MAX_LINES_BYTES = 1_000_000
const DEFAULT_SPLIT_LINES = 10
const LF = 10
/** A FIFO without a writer, or a device, must not block the agent. */
const READ_WITHOUT_WAITING = constants.O_RDONLY | constants.O_NONBLOCK

/** Returns at most `bytes` bytes of the beginning of a file. */
function readBeginning(path: string, bytes: number): Buffer {
  const fd = openSync(path, READ_WITHOUT_WAITING)
  try {
    const buf = Buffer.allocUnsafe(bytes)
    let end = 0
    while (end < bytes) {
      const n = readSync(fd, buf, end, bytes - end, null)
      if (n === 0) break
      end += n
    }
    return buf.subarray(0, end)
  } finally {
    closeSync(fd)
  }
}

/** Returns the beginning of a file with `lines` lines, or fewer when the file is shorter or they are too long. */
function readLines(path: string, lines: number): Buffer {
  for (let bytes = 4096; ; bytes = Math.min(bytes * 8, MAX_LINES_BYTES)) {
    const text = readBeginning(path, bytes)
    let end = 0
    for (let i = 0; i < lines; i++) {
      const nl = text.indexOf(LF, end)
      if (nl < 0) {
        end = -1
        break
      }
      end = nl + 1
    }
    if (end >= 0) return text.subarray(0, end)
    if (text.length < bytes || bytes === MAX_LINES_BYTES) return text
  }
}

function splitRecord(options: Options, lines: number): Buffer {
  const text = readLines(options.file, lines)
  const out = new RecordBuilder()
  if (options.addPath) out.text('path', options.file)
  let at = 0
  for (let i = 0; i < lines; i++) {
    const nl = text.indexOf(LF, at)
    const end = nl < 0 ? text.length : nl
    out.bytesText(`line${i}`, text.subarray(at, Math.min(end, at + options.bufSize)))
    at = Math.min(end + 1, text.length)
  }
  return out.bytes()
}

function textRecord(options: Options): Buffer {
  const { file, key, lines, bufSize, addPath } = options
  const out = new RecordBuilder().bytesText(
    key,
    lines > 0 ? readLines(file, lines) : readBeginning(file, bufSize),
  )
  return addPath ? out.text('path', file).bytes() : out.bytes()
}

export const spec = defineInput({
  kind: 'input',
  name: 'head',
  summary: 'Reads the beginning of a file at an interval.',
  description:
    'For small files whose content is a value, such as /proc/uptime and /proc/loadavg. The file is opened for each record. When it ' +
    'cannot be read there is no record, and the log says why. Lines that are appended to a file are read by the input `tail`.',
  options: OPTIONS,
  example: '[INPUT]\n    Name  head\n    Tag   load\n    File  /proc/loadavg\n    Lines 1\n',
  preview: async ({ file }) => ({
    source: `the beginning of ${file}`,
    sources: [],
    more: 0,
    tags: [],
    notes: [],
  }),
  create(options, ctx) {
    const lines = options.splitLine && options.lines === 0 ? DEFAULT_SPLIT_LINES : options.lines
    return new IntervalInput(ctx, intervalMs(options), () => {
      try {
        return options.splitLine ? splitRecord(options, lines) : textRecord(options)
      } catch (error) {
        throw new Error(`${options.file}: ${reasonOf(error)}`, { cause: error })
      }
    })
  },
})
