import { defineOptions, type OptionTable } from '../../core/options/option.ts'
import type { Logger } from '../../core/services.ts'

/**
 * Returns the options of connections of an output whose option with a URL decides whether TLS is used. `tls` has no default, so that
 * a value that has no effect can be told from none.
 */
export function withUrlTls<const T extends OptionTable>(table: T, option: string) {
  const options = Object.entries(table).map(([name, { needs, ...others }]) => [
    name,
    needs === undefined || needs === 'tls' ? others : { ...others, needs },
  ])
  const { tls } = defineOptions({
    tls: {
      type: 'bool',
      help: `TLS is used unless \`${option}\` begins with \`http://\`. A value that contradicts it has no effect, with a warning.`,
    },
  })
  return { ...(Object.fromEntries(options) as Omit<T, 'tls'>), tls }
}

/** Warns of a value of `tls` that has no effect, because a URL decides whether TLS is used. */
export function warnOfTls(given: boolean | undefined, isSecure: boolean, option: string, log: Logger): void {
  if (given === undefined || given === isSecure) return
  const [words, hint] = isSecure
    ? [
        `tls off has no effect: TLS is used unless ${option} begins with http://`,
        `remove tls, or set ${option} to the http:// URL of the server`,
      ]
    : [
        `tls on has no effect: ${option} begins with http://`,
        `set ${option} to the https:// URL of the server`,
      ]
  log.warn(words, { hint }, 'tls')
}

/** Returns how TLS is turned on by the URL in an option, for `ServerOptions`. */
export function tlsByUrl(option: string): string {
  return `set ${option} to a URL with https://`
}
