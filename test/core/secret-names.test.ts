import { expect, test } from 'bun:test'
import { maskValue } from '../../src/core/mask-secrets.ts'
import type { OptionTable } from '../../src/core/options/option.ts'
import { isSecretName, isSecretPath, mayBeSecretName } from '../../src/core/secret-names.ts'
import { registry } from '../../src/registry.ts'

test('every option that a table marks as secret is hidden in the log, too', async () => {
  const kinds = ['input', 'filter', 'output'] as const
  const specs = await Promise.all(
    kinds.flatMap((kind) => registry.names(kind).map((name) => registry.find(kind, name))),
  )
  const secrets = specs.flatMap((spec) =>
    Object.entries((spec?.options ?? {}) as OptionTable).flatMap(([key, option]) =>
      option.secret !== undefined ? [key] : [],
    ),
  )
  expect(secrets.length).toBeGreaterThan(2)
  const others = new Set(secrets.filter((key) => !isSecretName(key)))
  // The first is refused at the start, and its value is never logged; in the others a part of the value is secret.
  expect([...others].sort()).toEqual(['header', 'http_proxy', 'proxy', 'security.users', 'upstream'])
  expect(maskValue('header', 'Authorization Bearer abc')).not.toContain('abc')
  expect(maskValue('proxy', 'http://me:abc@proxy:3128')).not.toContain('abc')
})

test('options of libraries that no table has are told apart by their names', () => {
  const names = [
    'rdkafka.ssl.key.password',
    'rdkafka.sasl.oauthbearer.client.secret',
    'rdkafka.sasl.oauthbearer.client.credentials',
    'rdkafka.sasl.oauthbearer.token.endpoint.url',
    'rdkafka.ssl.key.location',
    'bearer_token',
    'token_file',
    'shared_key',
  ]
  expect(names.filter(isSecretName)).toEqual([
    'rdkafka.ssl.key.password',
    'rdkafka.sasl.oauthbearer.client.secret',
    'rdkafka.sasl.oauthbearer.client.credentials',
    'bearer_token',
    'shared_key',
  ])
})

test('names of logins are secret, and those of their kind are not', () => {
  const names = ['Cloud_Auth', 'http.auth', 'auth_type', 'author', 'authority']
  expect(names.filter(isSecretName)).toEqual(['Cloud_Auth', 'http.auth'])
})

test('a path is secret when one of its keys is', () => {
  const paths = ["$a['token']['x']", '$api_key', 'a.password.b', '$level', "$kubernetes['labels']['app']"]
  expect(paths.filter(isSecretPath)).toEqual(["$a['token']['x']", '$api_key', 'a.password.b'])
})

test('a secret name with one wrong letter may be one', () => {
  const names = ['rdkafka.sasl.pasword', 'passwrod', 'secrte', 'tokn', 'topics', 'brokers', 'path', 'level']
  expect(names.filter(mayBeSecretName)).toEqual(['rdkafka.sasl.pasword', 'passwrod', 'secrte', 'tokn'])
})
