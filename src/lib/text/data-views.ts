/**
 * DataViews of the buffer read from and the buffer written to, kept until another buffer comes: reading or writing eight
 * bytes at once as a float64 is several times faster than byte by byte, and than `copy` for so few.
 *
 * Only for bytes known to be text: a pattern that is a NaN (first byte 7f or ff) may be changed on the way.
 */
let source: Buffer | undefined
let sourceOf: DataView
let target: Buffer | undefined
let targetOf: DataView

export function sourceView(buf: Buffer): DataView {
  if (buf !== source) {
    source = buf
    sourceOf = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
  }
  return sourceOf
}

export function targetView(buf: Buffer): DataView {
  if (buf !== target) {
    target = buf
    targetOf = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
  }
  return targetOf
}

/** Fixed text as float64 words, padded with blanks: what `putWords` writes behind its end the caller overwrites. */
export function wordsOf(bytes: Buffer): Float64Array {
  const padded = Buffer.alloc(Math.ceil(bytes.length / 8) * 8, ' ')
  bytes.copy(padded)
  const view = new DataView(padded.buffer, padded.byteOffset, padded.byteLength)
  return Float64Array.from({ length: padded.length / 8 }, (_, i) => view.getFloat64(i * 8))
}

export function putWords(view: DataView, at: number, words: Float64Array): void {
  for (let i = 0, p = at; i < words.length; i++, p += 8) view.setFloat64(p, words[i] as number)
}

/**
 * Copies ASCII text in steps of eight bytes: up to seven bytes behind its end are written too, for the caller to
 * overwrite, and as many are read. Returns the offset behind the text.
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

/** For buffers that come again and again: a view for each is made once. */
export function viewOf(buf: Buffer): DataView {
  let view = views.get(buf)
  if (view === undefined) {
    view = new DataView(buf.buffer, buf.byteOffset, buf.byteLength)
    views.set(buf, view)
  }
  return view
}
