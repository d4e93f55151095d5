import cliProgress, { type Options, type Params } from 'cli-progress'
import { bytesText } from '../../lib/text/bytes.ts'
import { timeText } from './human-units.ts'

/**
 * The progress bar of a finite run (Exit_On_Eof). It is drawn on a terminal only, at most five times a second. It uses
 * cli-progress: `progress` is half its size and has had no release since 2019, `gauge` is archived and brings eight
 * packages, `ora` has no bar. Import this file only when a bar is needed: it costs 6 MB resident.
 *
 * ```
 *   [==============----------------------]  38%  12.3 MB of 32.1 MB  118.0 MB/s  0:03 left
 * ```
 */
interface Progress {
  update(doneBytes: number, totalBytes?: number): void
  /** Draws the final state and ends the line. Idempotent. */
  stop(): void
}

interface ProgressOptions {
  stream: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  totalBytes: number
}

export function createProgress({ stream, totalBytes }: ProgressOptions): Progress {
  if (stream.isTTY !== true) return { update() {}, stop() {} }
  const rate = new Rate()
  let stopped = false
  const bar = new cliProgress.SingleBar({
    fps: FRAMES_PER_SECOND,
    stream: withoutCursorSave(stream),
    // Line wrapping is not disabled: an agent that is killed must not leave the terminal changed.
    linewrap: true,
    // A log line may have cleared the bar.
    forceRedraw: true,
    format: (_options: Options, params: Params) =>
      barText(params, stopped ? rate.overall() : rate.recent(), stream.columns || 80, stopped),
  })
  bar.start(totalBytes, 0)
  return {
    update(doneBytes, newTotal) {
      if (stopped) return
      rate.add(doneBytes)
      if (newTotal !== undefined) bar.setTotal(newTotal)
      bar.update(doneBytes)
    },
    stop() {
      if (stopped) return
      stopped = true
      bar.stop()
    },
  }
}

const FRAMES_PER_SECOND = 5
const MAX_BAR_CHARS = 40
const MIN_BAR_CHARS = 5
/** Space reserved for the text, so that the bar keeps its width while the numbers change theirs. */
const MIN_TEXT_CHARS = 52

function barText({ value, total }: Params, rate: Speed, columns: number, stopped: boolean): string {
  const share = total > 0 ? Math.min(1, value / total) : 1
  // Rounded down: never 100% while a byte is left.
  const percent = `${String(Math.floor(share * 100)).padStart(3)}%`
  const leftMs =
    rate.bytesPerSecond > 0 ? (Math.max(0, total - value) / rate.bytesPerSecond) * 1000 : Infinity
  const time = stopped ? `in ${timeText(rate.overMs)}` : leftText(leftMs)
  const text = `${percent}  ${bytesText(value)} of ${bytesText(total)}  ${bytesText(rate.bytesPerSecond)}/s  ${time}`
  const width = Math.min(MAX_BAR_CHARS, columns - Math.max(text.length, MIN_TEXT_CHARS) - '[] '.length - 1)
  if (width < MIN_BAR_CHARS) return text.trimStart().slice(0, Math.max(0, columns - 1))
  const full = Math.floor(share * width)
  return `[${'='.repeat(full)}${'-'.repeat(width - full)}] ${text}`
}

function leftText(leftMs: number): string {
  return Number.isFinite(leftMs) && leftMs < MAX_LEFT_MS ? `${timeText(leftMs)} left` : '-:-- left'
}

const MAX_LEFT_MS = 100 * 86_400_000

interface Speed {
  bytesPerSecond: number
  /** Duration of the measurement. */
  overMs: number
}

/** Measures the speed over the last seconds and overall. */
class Rate {
  #marks: { at: number; bytes: number }[] = [{ at: performance.now(), bytes: 0 }]
  #first = this.#marks[0] as { at: number; bytes: number }
  #bytes = 0

  add(bytes: number): void {
    this.#bytes = bytes
    const at = performance.now()
    if (at - (this.#marks.at(-1)?.at ?? 0) < MARK_INTERVAL_MS) return
    this.#marks.push({ at, bytes })
    if (this.#marks.length > MAX_MARKS) this.#marks.shift()
  }

  recent(): Speed {
    return this.#since(this.#marks[0] ?? this.#first)
  }

  overall(): Speed {
    return this.#since(this.#first)
  }

  #since(mark: { at: number; bytes: number }): Speed {
    const overMs = performance.now() - mark.at
    return {
      bytesPerSecond: overMs > 0 ? Math.max(0, ((this.#bytes - mark.bytes) / overMs) * 1000) : 0,
      overMs,
    }
  }
}

const MARK_INTERVAL_MS = 500
const MAX_MARKS = 10

/**
 * Returns the stream without the sequences by which cli-progress saves the cursor position at the start and restores it at
 * the end: after log lines have scrolled the screen that position is somewhere among them.
 */
function withoutCursorSave(stream: ProgressOptions['stream']): NodeJS.WritableStream {
  const wrapper = {
    isTTY: true,
    get columns() {
      // A serial console reports 0.
      return stream.columns || 80
    },
    write(text: string, ...rest: unknown[]): boolean {
      if (text === '\x1b7' || text === '\x1b8') return true
      return (stream.write as (...args: unknown[]) => boolean).call(stream, text, ...rest)
    },
  }
  return wrapper as unknown as NodeJS.WritableStream
}
