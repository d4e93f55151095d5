import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { atEnd } from '../tmp.ts'

/** A request for a token. */
export interface Asked {
  authorization: string | undefined
  form: URLSearchParams
}

/** Starts a token endpoint that hands out `token-1`, `token-2`, ... until the test ends. */
export async function startTokens(
  answer?: (n: number) => { status: number; body: string },
): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (piece) => {
      body += piece
    })
    request.on('end', () => {
      const n = asked.push({ authorization: request.headers.authorization, form: new URLSearchParams(body) })
      const { status, body: text } = answer?.(n) ?? {
        status: 200,
        body: JSON.stringify({ access_token: `token-${n}`, token_type: 'Bearer', expires_in: 3600 }),
      }
      response.writeHead(status).end(text)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token?x=1`, asked }
}
