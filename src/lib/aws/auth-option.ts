import { ShipperError } from '../../core/error.ts'
import type { OptionsOf } from '../../core/options/option.ts'
import type { OutputContext } from '../../core/plugin.ts'
import type { Authorizer } from '../http-output/api.ts'
import type { HttpConnectionOptions } from '../http-output/options.ts'
import { AwsAuthorizer } from './authorizer.ts'
import { type AWS_AUTH_OPTIONS, authChainOf } from './options.ts'
import { parseEndpoint } from './regions.ts'
import { createSigner } from './signer.ts'

export interface AuthOptions extends HttpConnectionOptions, OptionsOf<typeof AWS_AUTH_OPTIONS> {
  host: string
  port: number
  proxy?: string | undefined
}

/**
 * Returns the authorizer that signs the requests of an output with AWS_AUTH_OPTIONS; undefined when they are not signed.
 * `service`: the name in signatures without `aws_service`. Throws E_CONFIG_BAD_VALUE.
 */
export function authorizerOf(
  options: AuthOptions,
  service: string,
  ctx: OutputContext,
): Authorizer | undefined {
  const { awsAuth, awsRegion, awsService, tls, host, port } = options
  if (!awsAuth) return undefined
  if (awsRegion === undefined)
    throw new ShipperError('E_CONFIG_BAD_VALUE', 'aws_auth needs aws_region', {
      option: 'aws_auth',
      hint: 'set aws_region to the region of the service, e.g. eu-west-1',
    })
  const signer = createSigner(
    {
      service: awsService ?? service,
      endpoint: parseEndpoint(`${tls ? 'https' : 'http'}://${host}`, 'host', port),
      chain: authChainOf({ ...options, awsRegion }),
      tls: options,
      proxy: { proxy: options.proxy, ignoreEnvironment: options.netProxyEnvIgnore },
    },
    ctx,
  )
  return new AwsAuthorizer(signer)
}
