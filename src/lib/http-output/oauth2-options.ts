import type { InvalidValue } from '../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../core/options/option.ts'

const JWT = { 'oauth2.auth_method': ['private_key_jwt'] }

/** fluent-bit's options for tokens by the client credentials grant of OAuth 2.0 (RFC 6749, 4.4). */
export const OAUTH2_OPTIONS = defineOptions({
  'oauth2.enable': {
    type: 'bool',
    default: 'false',
    help: 'Fetch a token from `oauth2.token_url` for the header `Authorization: Bearer`, and renew it before it expires.',
  },
  'oauth2.token_url': {
    type: 'string',
    needs: 'oauth2.enable',
    hasQuery: true,
    check: checkUrl,
    help: 'URL of the token endpoint. Required with `oauth2.enable`.',
  },
  'oauth2.client_id': {
    type: 'string',
    needs: 'oauth2.enable',
    help: 'Client id. Required with `oauth2.enable`.',
  },
  'oauth2.client_secret': { type: 'string', secret: true, needs: 'oauth2.enable', help: 'Client secret.' },
  'oauth2.scope': {
    type: 'string',
    needs: 'oauth2.enable',
    help: 'Scopes of the token, separated by blanks.',
  },
  'oauth2.audience': {
    type: 'string',
    needs: 'oauth2.enable',
    help: 'Audience of the token, for servers that ask for it.',
  },
  'oauth2.resource': {
    type: 'string',
    needs: 'oauth2.enable',
    help: 'Resource of the token, for servers that ask for it.',
  },
  'oauth2.user_agent': {
    type: 'string',
    needs: 'oauth2.enable',
    help: 'User-Agent of requests for a token.',
  },
  'oauth2.auth_method': {
    type: 'enum',
    values: ['basic', 'post', 'private_key_jwt'],
    default: 'basic',
    help: 'How the client shows who it is: id and secret in a header, in the body, or a token that it signs with its own key.',
  },
  'oauth2.jwt_key_file': {
    type: 'string',
    isFile: true,
    needs: JWT,
    help: 'File with the private key, as PEM (RSA or EC P-256).',
  },
  'oauth2.jwt_cert_file': {
    type: 'string',
    isFile: true,
    needs: JWT,
    help: 'File with the certificate of the key, as PEM, whose thumbprint is sent.',
  },
  'oauth2.jwt_aud': {
    type: 'string',
    needs: JWT,
    help: 'Audience of the signed token. Default: `oauth2.token_url`.',
  },
  'oauth2.jwt_header': {
    type: 'enum',
    values: ['kid', 'x5t'],
    default: 'kid',
    needs: JWT,
    help: 'Member of the header of the signed token that has the thumbprint of the certificate.',
  },
  'oauth2.jwt_ttl_seconds': {
    type: 'int',
    default: '300',
    min: 1,
    max: 86_400,
    needs: JWT,
    help: 'Seconds for which the signed token is valid.',
  },
  'oauth2.refresh_skew_seconds': {
    type: 'int',
    default: '60',
    min: 0,
    needs: 'oauth2.enable',
    help: 'Seconds before its end at which a token is renewed.',
  },
  'oauth2.timeout': {
    type: 'time',
    default: '0',
    needs: 'oauth2.enable',
    help: 'Maximum wait for a token; 0: http.response_timeout.',
  },
  'oauth2.connect_timeout': {
    type: 'time',
    default: '0',
    needs: 'oauth2.enable',
    help: 'Maximum wait for a connection to the token endpoint; 0: net.connect_timeout.',
  },
})

export type OAuth2Options = OptionsOf<typeof OAUTH2_OPTIONS>

function checkUrl(text: unknown): InvalidValue | undefined {
  if (typeof text !== 'string') return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === '') return undefined
  return { must: 'a URL, e.g. https://login.example/oauth2/token' }
}
