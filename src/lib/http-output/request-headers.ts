import type { OutputContext } from '../../core/plugin.ts'

export interface CredentialOptions {
  readonly httpUser: string | undefined
  readonly httpPasswd: string
  readonly bearerToken: string | undefined
  readonly header: readonly (readonly string[])[]
}

/**
 * Returns the headers of every request of an output with BASIC_AUTH_OPTIONS, BEARER_OPTIONS and HEADER_OPTIONS. Of several credentials
 * the last is sent: name and password, token, header.
 */
export function requestHeaders(options: CredentialOptions, ctx: OutputContext): Record<string, string> {
  const { httpUser, httpPasswd, bearerToken, header } = options
  if (bearerToken !== undefined && httpUser !== undefined)
    ctx.log.warn('HTTP_User and HTTP_Passwd are not sent, because Bearer_Token is set')
  return {
    'user-agent': `shipper/${ctx.agent.version}`,
    ...basicAuth(httpUser, httpPasswd),
    ...(bearerToken === undefined ? {} : { authorization: `Bearer ${bearerToken}` }),
    ...configuredHeaders(header),
  }
}

/** Returns the header of Basic authentication; none without a user. */
export function basicAuth(user: string | undefined, password: string): Record<string, string> {
  if (user === undefined || user === '') return {}
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
}

/** Returns the headers of `header` options, with names in lower case. */
export function configuredHeaders(lines: readonly (readonly string[])[] | undefined): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name = '', value = ''] of lines ?? []) {
    const key = name.toLowerCase()
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`
  }
  return headers
}
