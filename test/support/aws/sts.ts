import type { IncomingMessage } from 'node:http'
import { type Service, startService } from '../metadata-service.ts'

/** What a request of the tests to STS said. */
export interface StsRequest {
  fields: Record<string, string>
  authorization: string | undefined
  date: string | undefined
}

export interface FakeSts extends Service {
  calls: StsRequest[]
}

/** What is answered: a status and a body. `Date` is that of the runtime unless `date` says another. */
export interface StsAnswer {
  status?: number
  body: string
  date?: string
}

/** Starts a server that answers as STS does, with what `answer` returns for each call. */
export async function startSts(answer: (call: StsRequest, n: number) => StsAnswer): Promise<FakeSts> {
  const calls: StsRequest[] = []
  const service = await startService(async (request, response) => {
    const body = await bodyOf(request)
    const fields = Object.fromEntries(new URLSearchParams(body))
    const { authorization } = request.headers
    const date = request.headers['x-amz-date'] as string | undefined
    calls.push({ fields, authorization, date })
    const made = answer(calls.at(-1) as StsRequest, calls.length)
    response.statusCode = made.status ?? 200
    if (made.date !== undefined) response.setHeader('date', made.date)
    response.end(made.body)
  })
  return Object.assign(service, { calls })
}

/** Returns an answer of STS with credentials. */
export function assumed(id: string, expiration = '2099-01-01T00:00:00Z', action = 'AssumeRole'): StsAnswer {
  return {
    body: `<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${action}Result>
  <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser>
  <Credentials><AccessKeyId>${id}</AccessKeyId><SecretAccessKey>secret-of-${id}</SecretAccessKey>
  <SessionToken>token-of-${id}</SessionToken><Expiration>${expiration}</Expiration></Credentials>
</${action}Result></${action}Response>`,
  }
}

/** Returns an answer of STS with an error. */
export function stsError(code: string, message: string, status = 403): StsAnswer {
  return {
    status,
    body: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const piece of request) body += piece
  return body
}
