/**
 * Cached DataViews of the latest source and target buffers. Reading or writing eight bytes at once as a float64 is several
 * times faster than byte by byte, and than `copy` for so few.
 *
 * Only for bytes known to be text: a pattern that is a NaN (first byte 7f or ff) may be changed on the way.
 */
let source: Buffer | undefined
let viewOfSource: DataView
let target: Buffer | undefined
let viewOfTarget: DataView

/** Returns a view of the buffer that is read from; it is kept until another buffer is passed. */
export function sourceView(buf: Buffer): DataView {
  if (buf !== source) {
    source = buf
    viewOfSource = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
  }
  return viewOfSource
}

/** Returns a view of the buffer that is written to; it is kept until another buffer is passed. */
export function targetView(buf: Buffer): DataView {
  if (buf !== target) {
    target = buf
    viewOfTarget = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
  }
  return viewOfTarget
}

/** Returns fixed text as float64 words padded with blanks; the caller overwrites what `putWords` writes after its end. */
export function wordsOf(bytes: Buffer): Float64Array {
  const padded = Buffer.alloc(Math.ceil(bytes.length / 8) * 8, ' ')
  bytes.copy(padded)
  const view = new DataView(padded.buffer, padded.byteOffset, padded.byteLength)
  return Float64Array.from({ length: padded.length / 8 }, (_, i) => view.getFloat64(i * 8))
}

/** Writes words at `at`, including the padding of the last one. */
export function putWords(view: DataView, at: number, words: Float64Array): void {
  for (let i = 0, p = at; i < words.length; i++, p += 8) view.setFloat64(p, words[i] as number)
}

/**
 * Copies ASCII text in steps of eight bytes and returns the offset after it. Up to seven bytes after its end are read and
 * written too; the caller overwrites them.
 */
export function copyText(
  src: Buffer,
  from: DataView,
  start: number,
  end: number,
  to: Buffer,
  at: number,
): number {
  const length = end - start
  if (end + 8 > src.length || at + length + 8 > to.length) {
    src.copy(to, at, start, end)
    return at + length
  }
  const view = targetView(to)
  for (let i = 0; i < length; i += 8) view.setFloat64(at + i, from.getFloat64(start + i))
  return at + length
}

const views = new WeakMap<Buffer, DataView>()

/** Returns a view of the buffer, created once; for buffers that are used repeatedly. */
export function viewOf(buf: Buffer): DataView {
  let view = views.get(buf)
  if (view === undefined) {
    view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
    views.set(buf, view)
  }
  return view
}
