import type { Texts } from '../pods/pod.ts'

export const STREAMS = ['stdout', 'stderr'] as const
export type Stream = (typeof STREAMS)[number]

/** What the annotations of a pod ask for the logs of one of its containers. */
interface Suggestions {
  parser: Record<Stream, string | undefined>
  exclude: Record<Stream, boolean>
}

const TRUE_WORDS = new Set(['true', 'on', 'yes'])

/**
 * `fluentbit.io/parser[_STREAM][-CONTAINER]` and the same with `exclude`; the one that says most counts:
 *
 * ```
 *   parser_stdout-web  >  parser-web  >  parser_stdout  >  parser
 * ```
 */
export function suggestionsOf(annotations: Texts | undefined, container: string | undefined): Suggestions {
  const look = (what: string, stream: Stream): string | undefined => {
    const base = `fluentbit.io/${what}`
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
    parser: { stdout: look('parser', 'stdout'), stderr: look('parser', 'stderr') },
    exclude: { stdout: isTrue(look('exclude', 'stdout')), stderr: isTrue(look('exclude', 'stderr')) },
  }
}
