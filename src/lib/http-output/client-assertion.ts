import { createHash, createPrivateKey, type KeyObject, randomUUID, sign, X509Certificate } from 'node:crypto'
import { ShipperError } from '../../core/error.ts'
import { FsFailure, readWhole } from '../fs/file-system.ts'
import type { OAuth2Options } from './oauth2-options.ts'

const MAX_FILE_BYTES = 100_000

/**
 * Returns a token that the client signs to show who it is (RFC 7523). The files are read each time: keys are replaced without a
 * restart. Throws E_PEER_AUTH, retryable, when they cannot be used.
 */
export function clientAssertion(options: OAuth2Options, nowMs: number): string {
  const { oauth2ClientId: id, oauth2JwtHeader, oauth2JwtAud, oauth2TokenUrl, oauth2JwtTtlSeconds } = options
  const key = privateKey(options)
  const certificate = readFile(options.oauth2JwtCertFile, 'oauth2.jwt_cert_file')
  const thumbprint =
    certificate === undefined
      ? {}
      : {
          [oauth2JwtHeader]: createHash('sha1')
            .update(new X509Certificate(certificate).raw)
            .digest('base64url'),
        }
  const isRsa = key.asymmetricKeyType === 'rsa'
  const now = Math.floor(nowMs / 1000)
  const head = part({ alg: isRsa ? 'RS256' : 'ES256', typ: 'JWT', ...thumbprint })
  const claims = part({
    ...{ iss: id, sub: id, aud: oauth2JwtAud ?? oauth2TokenUrl, jti: randomUUID() },
    ...{ iat: now, nbf: now, exp: now + oauth2JwtTtlSeconds },
  })
  const signed = Buffer.from(`${head}.${claims}`)
  const signature = sign('sha256', signed, isRsa ? key : { key, dsaEncoding: 'ieee-p1363' })
  return `${head}.${claims}.${signature.toString('base64url')}`
}

function privateKey(options: OAuth2Options): KeyObject {
  const pem = readFile(options.oauth2JwtKeyFile, 'oauth2.jwt_key_file')
  if (pem === undefined) throw unusable('oauth2.jwt_key_file is not set')
  try {
    return createPrivateKey(pem)
  } catch {
    throw unusable(`${options.oauth2JwtKeyFile} has no private key without a password, as PEM`)
  }
}

function readFile(path: string | undefined, option: string): Buffer | undefined {
  if (path === undefined) return undefined
  const content = readWhole(path, MAX_FILE_BYTES)
  if (content instanceof FsFailure) throw unusable(`${option} ${path} cannot be read: ${content.message}`)
  return content
}

function unusable(reason: string): ShipperError {
  return new ShipperError('E_PEER_AUTH', reason, { retryable: true, scope: 'peer' })
}

function part(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
