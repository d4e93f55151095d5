import { HttpError, NO_RESPONSE } from '../http/http-error.ts'

/** Returns an error with what may be why the server has closed the connection without an answer; others as they are. */
export function withClosedHint(error: unknown, hint: string | undefined): unknown {
  if (!(error instanceof HttpError) || error.reason !== NO_RESPONSE || hint === undefined) return error
  return new HttpError(error.code, error.message, '', error.wasSent, {
    cause: error,
    hint: `${error.hint}; ${hint}`,
  })
}
