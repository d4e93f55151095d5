import { builtin } from '../../../bench/parser-of.ts'
import type { OffsetOptions } from '../../../src/core/offset-store.ts'
import type { Input, InputContext, InputSpec } from '../../../src/core/plugin.ts'
import { openOffsets } from '../../../src/store/open.ts'

/** A spec with any options. */
export type AnyInputSpec = Omit<InputSpec, 'create'> & { create(options: never, ctx: InputContext): Input }

/** What a test has to give: where records go, whose memory they take, and what it looks at. */
type Parts = Pick<
  InputContext,
  'clock' | 'log' | 'counters' | 'buffers' | 'appender' | 'sealAll' | 'waitForMemory' | 'finished'
>

/** Returns a context of an input without an agent: `Flush` never passes, and parsers are the built-in ones. */
export function inputContext(parts: Parts & Partial<InputContext>): InputContext {
  const { log } = parts
  return {
    name: 'in.0',
    tag: 't',
    flushMs: 1e9,
    agent: { version: '1.2.3', id: 'id', hostname: 'leaf' },
    multilineBytes: 2_000_000,
    parser: (name) => builtin(name, { time_keep: 'on' }),
    multiline: () => undefined,
    isIdentity: () => false,
    openOffsets: (path: string | undefined, options: OffsetOptions) => openOffsets(path, options, { log }),
    ...parts,
  }
}
