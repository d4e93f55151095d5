import type { AnyInputSpec } from './engine/input-context.ts'
import { type EngineRun, type ListeningOptions, runListening } from './engine/listening-run.ts'
import { joined, SocketClient } from './socket-client.ts'
import { until } from './until.ts'

export interface ServerRun extends EngineRun {
  /** Records so far, after those of open chunks are sealed. */
  records(): Record<string, unknown>[]
  /** Waits until there are `n` records, and returns them. */
  has(n: number): Promise<Record<string, unknown>[]>
}

/** Runs an input that gives no answers with the real engine, in this process. */
export async function serverIn(
  spec: AnyInputSpec,
  options: Record<string, string> = {},
  more: ListeningOptions = {},
): Promise<ServerRun> {
  const run = await runListening(spec, options, more)
  const records = (): Record<string, unknown>[] => {
    run.stage.sealAll()
    return run.output.records.map(({ record }) => record as Record<string, unknown>)
  }
  const has = async (n: number): Promise<Record<string, unknown>[]> => {
    await until(() => records().length >= n, { what: () => `${n} records, not ${records().length}` })
    return records()
  }
  return { ...run, records, has }
}

/** A sender that reads no answers. */
export class StreamClient extends SocketClient {
  constructor(at: number | string) {
    super(at)
    // Bytes that are not read hide the end of the connection.
    this.socket.resume()
  }

  /** Resolves when the kernel has taken the bytes. */
  override send(...parts: (Uint8Array | string)[]): Promise<void> {
    return new Promise((resolve) => this.socket.write(joined(parts), () => resolve()))
  }
}
