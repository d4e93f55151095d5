import { ShipperError } from '../../core/error.ts'
import type { OutputContext } from '../../core/plugin.ts'
import type { Authorizer } from '../http-output/api.ts'
import { oauth2AuthorizerOf, type TokenOptions } from '../http-output/oauth2.ts'
import type { CredentialOptions } from '../http-output/request-headers.ts'
import { type AuthOptions, authorizerOf } from './auth-option.ts'

/**
 * Returns the authorizer of the requests of an output with AWS_AUTH_OPTIONS and OAUTH2_OPTIONS, instead of what `requestHeaders` returns;
 * undefined when neither is on. `service`: the name in signatures without `aws_service`. Throws E_CONFIG_BAD_VALUE.
 */
export function requestAuthorizer(
  options: AuthOptions & TokenOptions & CredentialOptions,
  service: string,
  ctx: OutputContext,
): Authorizer | undefined {
  const { awsAuth, oauth2Enable, bearerToken, httpUser } = options
  if (awsAuth && oauth2Enable)
    throw new ShipperError('E_CONFIG_BAD_VALUE', 'aws_auth and oauth2.enable are both on', {
      option: 'oauth2.enable',
      hint: 'a request has either a signature or a token: turn one of them off',
    })
  const unsent = bearerToken === undefined ? 'HTTP_User and HTTP_Passwd are' : 'Bearer_Token is'
  if ((awsAuth || oauth2Enable) && (bearerToken ?? httpUser) !== undefined)
    ctx.log.warn(`${unsent} not sent, because ${awsAuth ? 'aws_auth' : 'oauth2.enable'} is on`)
  return authorizerOf(options, service, ctx) ?? oauth2AuthorizerOf(options, ctx)
}
