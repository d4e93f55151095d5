import type { InvalidValue } from '../../core/options/checks.ts'
import { defineOptions } from '../../core/options/option.ts'
import type { ChainOptions } from './credentials-chain.ts'
import { type AwsEndpoint, checkEndpoint, checkRegion, endpointHost, parseEndpoint } from './regions.ts'

const ROLE = 'ARN of the role to assume.'
const EXTERNAL_ID = 'External id that the trust policy of the role requires.'
const STS_ENDPOINT =
  'Server of STS, which issues the credentials of roles: a host or a URL. Default: that of the region.'
const PROFILE =
  'Profile of the shared files (`~/.aws/credentials`, `~/.aws/config`, or where AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE point). Default: AWS_PROFILE, AWS_DEFAULT_PROFILE or `default`. Not used if AWS_ACCESS_KEY_ID is set in the environment; a named profile that does not exist is an error.'

/** Options of outputs for one service of AWS, by the names of fluent-bit. */
export const AWS_OPTIONS = defineOptions({
  region: {
    type: 'string',
    required: true,
    check: checkRegion,
    help: 'Region of the service, e.g. `eu-west-1`.',
  },
  endpoint: {
    type: 'string',
    check: checkEndpoint,
    help: 'Endpoint of the service: a host or a URL; `http://` turns TLS off. Default: that of the region.',
  },
  port: {
    type: 'int',
    min: 1,
    max: 65_535,
    help: 'Port of the server, unless `endpoint` has one. Default: 443, or 80 with `http://`.',
  },
  role_arn: { type: 'string', check: checkRole, help: ROLE },
  external_id: { type: 'string', secret: true, needs: { role_arn: 'set' }, help: EXTERNAL_ID },
  sts_endpoint: { type: 'string', check: checkEndpoint, help: STS_ENDPOINT },
  profile: { type: 'string', help: PROFILE },
  auto_retry_requests: {
    type: 'bool',
    default: 'true',
    help: 'Send a request a second time at once when the connection fails.',
    ignored: 'a request that has failed is always sent again, after a wait that grows',
  },
})

/** Options of outputs for other servers that may ask for signed requests, by the names of fluent-bit. */
export const AWS_AUTH_OPTIONS = defineOptions({
  aws_auth: {
    type: 'bool',
    default: 'false',
    help: 'Sign requests with AWS Signature Version 4. Credentials come from the default chain of the AWS SDKs, in the order of fluent-bit: environment, profile, web identity, container, instance metadata. Later places are not used while the one in use has had no credentials for less than 5 minutes, as when its file is being replaced.',
  },
  aws_region: {
    type: 'string',
    needs: 'aws_auth',
    check: checkRegion,
    help: 'Region of the service, e.g. `eu-west-1`. Required with `aws_auth`.',
  },
  aws_service: {
    type: 'string',
    needs: 'aws_auth',
    aliases: ['aws_service_name'],
    help: 'Name of the service in signatures, e.g. `aoss` for OpenSearch Serverless.',
  },
  aws_role_arn: { type: 'string', needs: 'aws_auth', check: checkRole, help: ROLE },
  aws_external_id: { type: 'string', secret: true, needs: { aws_role_arn: 'set' }, help: EXTERNAL_ID },
  aws_sts_endpoint: { type: 'string', needs: 'aws_auth', check: checkEndpoint, help: STS_ENDPOINT },
  aws_profile: { type: 'string', needs: 'aws_auth', help: PROFILE },
})

interface ParsedAwsOptions {
  region: string
  endpoint: string | undefined
  port: number | undefined
  roleArn: string | undefined
  externalId: string | undefined
  stsEndpoint: string | undefined
  profile: string | undefined
}

/** Returns the server that parsed AWS_OPTIONS name. `service` is the first part of the host of a region. */
export function endpointOf({ endpoint, port, region }: ParsedAwsOptions, service: string): AwsEndpoint {
  return parseEndpoint(endpoint ?? endpointHost(service, region), 'endpoint', port)
}

/** Returns what a CredentialsChain takes of parsed AWS_OPTIONS. */
export function chainOf({
  region,
  roleArn,
  externalId,
  stsEndpoint,
  profile,
}: ParsedAwsOptions): ChainOptions {
  return { region, roleArn, externalId, stsEndpoint, profile }
}

/** Returns what a CredentialsChain takes of parsed AWS_AUTH_OPTIONS. */
export function authChainOf(options: {
  awsRegion: string
  awsRoleArn: string | undefined
  awsExternalId: string | undefined
  awsStsEndpoint: string | undefined
  awsProfile: string | undefined
}): ChainOptions {
  const { awsRegion, awsRoleArn, awsExternalId, awsStsEndpoint, awsProfile } = options
  return {
    region: awsRegion,
    roleArn: awsRoleArn,
    externalId: awsExternalId,
    stsEndpoint: awsStsEndpoint,
    profile: awsProfile,
  }
}

const ARN = /^arn:[\w-]+:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/

function checkRole(text: unknown): InvalidValue | undefined {
  if (typeof text !== 'string' || ARN.test(text)) return undefined
  return {
    must: 'the ARN of a role',
    hint: 'write arn:aws:iam::123456789012:role/NAME',
  }
}
