/**
 * A peer of the benchmarks in its own process, so that its CPU is not counted as the agent's and it has its own core. It prints
 * `listening PORT`, and for each line on stdin its summary as JSON.
 */
export class PeerProcess<Summary> {
  readonly port: number
  readonly #child: Bun.Subprocess<'pipe', 'pipe', 'inherit'>
  readonly #lines: AsyncIterator<string>

  private constructor(
    child: Bun.Subprocess<'pipe', 'pipe', 'inherit'>,
    lines: AsyncIterator<string>,
    port: number,
  ) {
    this.#child = child
    this.#lines = lines
    this.port = port
  }

  static async start<Summary>(program: string, mode: string): Promise<PeerProcess<Summary>> {
    const child = Bun.spawn([process.execPath, program, mode], {
      stdin: 'pipe',
      stdout: 'pipe',
      stderr: 'inherit',
    })
    const lines = linesOf(child.stdout)
    const first = await lines.next()
    return new PeerProcess(child, lines, Number(String(first.value).split(' ')[1]))
  }

  /** Returns the summary of what has arrived since the last call. */
  async take(): Promise<Summary> {
    this.#child.stdin.write('\n')
    await this.#child.stdin.flush()
    const { value } = await this.#lines.next()
    return JSON.parse(String(value)) as Summary
  }

  close(): void {
    this.#child.kill()
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const part of stream) {
    const lines = (rest + decoder.decode(part, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}
