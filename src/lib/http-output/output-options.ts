import type { Api, Authorizer, Connections } from './api.ts'
import type { BodyCoding } from './compress.ts'

/** What an HttpOutput is made of. */
export interface HttpOutputOptions {
  readonly api: Api
  readonly connections: Connections
  /** Headers of every request, which replace those of the API; names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly compress?: BodyCoding | undefined
  /** Value of Content-Encoding when it is not the name of the coding; empty: no such header. */
  readonly contentEncoding?: string
  readonly authorizer?: Authorizer | undefined
}
