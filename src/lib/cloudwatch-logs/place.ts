const MAX_NAME_CHARS = 512
const NOT_IN_GROUPS = /[^\w\-/.#]/g
const NOT_IN_STREAMS = /[:*\p{Cc}]/gu

/** The log stream that a request is for. */
interface StreamPlace {
  readonly group: string
  readonly stream: string
  /** The entity as JSON; empty: none. */
  readonly entity: string
}

/** Returns the name of a log group for a text. */
export function groupNameOf(text: string): string {
  return text.slice(0, MAX_NAME_CHARS).replace(NOT_IN_GROUPS, '_')
}

/** Returns the name of a log stream for a text. */
export function streamNameOf(text: string): string {
  return text.slice(0, MAX_NAME_CHARS).toWellFormed().replace(NOT_IN_STREAMS, '_')
}

/** Returns the key of requests for a log stream: `group:stream` or `group:stream:entity`. Neither name has a colon. */
export function keyOf({ group, stream, entity }: StreamPlace): string {
  return entity === '' ? `${group}:${stream}` : `${group}:${stream}:${entity}`
}

/** Returns what a key names. */
export function placeOf(key: string): StreamPlace {
  const [group = '', stream = '', ...entity] = key.split(':')
  return { group, stream, entity: entity.join(':') }
}
