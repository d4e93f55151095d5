/** Form of a body. */
export type BodyForm = 'json' | 'form' | 'text'

/** Forms of bodies by media type. fluent-bit has the first two, and refuses the others. */
const BODY_TYPES: ReadonlyMap<string, BodyForm> = new Map([
  ['application/json', 'json'],
  ['application/x-www-form-urlencoded', 'form'],
  ['application/x-ndjson', 'json'],
  ['application/ndjson', 'json'],
  ['application/jsonl', 'json'],
  ['application/jsonlines', 'json'],
  ['application/json-lines', 'json'],
  ['application/x-json-stream', 'json'],
  ['text/plain', 'text'],
])

const MEDIA_TYPE = /^[^;]*/

/** Returns the form that a Content-Type names; undefined for one that is not read. Parameters of it, such as charset, do not matter. */
export function bodyFormOf(type: string): BodyForm | undefined {
  return BODY_TYPES.get(type) ?? BODY_TYPES.get(MEDIA_TYPE.exec(type)?.[0].trim().toLowerCase() ?? '')
}

/** Returns the media types of a form, or of all, as a list. */
export function typesOf(form?: BodyForm): string {
  const types = [...BODY_TYPES].filter(([, its]) => form === undefined || its === form)
  return types.map(([type]) => type).join(', ')
}
