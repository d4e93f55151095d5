import type { StringMap } from '../pods/pod.ts'

export const STREAMS = ['stdout', 'stderr'] as const
export type Stream = (typeof STREAMS)[number]

/** Log handling requested by a pod's `fluentbit.io/...` annotations for one of its containers. */
interface LoggingAnnotations {
  parser: Record<Stream, string | undefined>
  exclude: Record<Stream, boolean>
}

const TRUE_WORDS = new Set(['true', 'on', 'yes'])

/**
 * Reads `fluentbit.io/parser[_STREAM][-CONTAINER]` and `fluentbit.io/exclude[_STREAM][-CONTAINER]`; the most specific
 * annotation wins:
 *
 * ```
 *   parser_stdout-web  >  parser-web  >  parser_stdout  >  parser
 * ```
 */
export function loggingAnnotations(
  annotations: StringMap | undefined,
  container: string | undefined,
): LoggingAnnotations {
  const find = (kind: string, stream: Stream): string | undefined => {
    const base = `fluentbit.io/${kind}`
    return (
      annotations?.[`${base}_${stream}-${container}`] ??
      annotations?.[`${base}-${container}`] ??
      annotations?.[`${base}_${stream}`] ??
      annotations?.[base]
    )
  }
  const isTrue = (text: string | undefined): boolean =>
    text !== undefined && TRUE_WORDS.has(text.toLowerCase())
  return {
    parser: { stdout: find('parser', 'stdout'), stderr: find('parser', 'stderr') },
    exclude: { stdout: isTrue(find('exclude', 'stdout')), stderr: isTrue(find('exclude', 'stderr')) },
  }
}
