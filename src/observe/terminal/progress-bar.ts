import cliProgress, { type Options, type Params } from 'cli-progress'
import { bytesText, timeText } from './human-units.ts'

/**
 * The progress bar of a finite run (Exit_On_Eof) on a terminal; drawn at most five times a second, nothing at all
 * elsewhere. By cli-progress: `progress` is half its size and has had no release since 2019, `gauge` is archived and
 * brings eight packages, `ora` has no bar. Import this file only when a bar is wanted: it costs 6 MB resident.
 *
 * ```
 *   [==============----------------------]  38%  12.3 MB of 32.1 MB  118.0 MB/s  0:03 left
 * ```
 */
interface Progress {
  update(doneBytes: number, totalBytes?: number): void
  /** Draws the last state and ends the line. Idempotent. */
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
    // Line wrapping is left as it is: an agent that is killed must not leave the terminal changed.
    linewrap: true,
    // A log line may have wiped the bar.
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
const LONGEST_BAR = 40
const SHORTEST_BAR = 5
/** So that the bar keeps its width while figures change theirs. */
const USUAL_TEXT = 52

function barText({ value, total }: Params, bytesPerSecond: Speed, columns: number, stopped: boolean): string {
  const share = total > 0 ? Math.min(1, value / total) : 1
  // Never 100% while something is left.
  const percent = `${String(Math.floor(share * 100)).padStart(3)}%`
  const leftMs =
    bytesPerSecond.speed > 0 ? (Math.max(0, total - value) / bytesPerSecond.speed) * 1000 : Infinity
  const time = stopped ? `in ${timeText(bytesPerSecond.overMs)}` : leftText(leftMs)
  const text = `${percent}  ${bytesText(value)} of ${bytesText(total)}  ${bytesText(bytesPerSecond.speed)}/s  ${time}`
  const width = Math.min(LONGEST_BAR, columns - Math.max(text.length, USUAL_TEXT) - '[] '.length - 1)
  if (width < SHORTEST_BAR) return text.trimStart().slice(0, Math.max(0, columns - 1))
  const full = Math.floor(share * width)
  return `[${'='.repeat(full)}${'-'.repeat(width - full)}] ${text}`
}

function leftText(leftMs: number): string {
  return Number.isFinite(leftMs) && leftMs < MOST_LEFT_MS ? `${timeText(leftMs)} left` : '-:-- left'
}

const MOST_LEFT_MS = 100 * 86_400_000

interface Speed {
  /** Bytes per second. */
  speed: number
  overMs: number
}

/** Speed of the last seconds and of all. */
class Rate {
  #marks: { at: number; bytes: number }[] = [{ at: performance.now(), bytes: 0 }]
  #first = this.#marks[0] as { at: number; bytes: number }
  #bytes = 0

  add(bytes: number): void {
    this.#bytes = bytes
    const at = performance.now()
    if (at - (this.#marks.at(-1)?.at ?? 0) < MARK_MS) return
    this.#marks.push({ at, bytes })
    if (this.#marks.length > MARKS) this.#marks.shift()
  }

  recent(): Speed {
    return this.#since(this.#marks[0] ?? this.#first)
  }

  overall(): Speed {
    return this.#since(this.#first)
  }

  #since(mark: { at: number; bytes: number }): Speed {
    const overMs = performance.now() - mark.at
    return { speed: overMs > 0 ? Math.max(0, ((this.#bytes - mark.bytes) / overMs) * 1000) : 0, overMs }
  }
}

const MARK_MS = 500
const MARKS = 10

/**
 * cli-progress saves the cursor's place at the start and returns to it at the end. After log lines have scrolled the
 * screen that place is somewhere among them.
 */
function withoutCursorSave(stream: ProgressOptions['stream']): NodeJS.WritableStream {
  const facade = {
    isTTY: true,
    get columns() {
      // A serial console says 0.
      return stream.columns || 80
    },
    write(text: string, ...rest: unknown[]): boolean {
      if (text === '\x1b7' || text === '\x1b8') return true
      return (stream.write as (...args: unknown[]) => boolean).call(stream, text, ...rest)
    },
  }
  return facade as unknown as NodeJS.WritableStream
}
