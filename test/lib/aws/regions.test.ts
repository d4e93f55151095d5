import { describe, expect, test } from 'bun:test'
import { parseOptions } from '../../../src/core/options/parse.ts'
import { AWS_AUTH_OPTIONS, AWS_OPTIONS, endpointOf } from '../../../src/lib/aws/options.ts'
import {
  checkEndpoint,
  checkRegion,
  domainOf,
  endpointHost,
  parseEndpoint,
} from '../../../src/lib/aws/regions.ts'

/** `regionRegex` and `dnsSuffix` of the partitions in botocore 1.44.8. */
const PARTITIONS: [RegExp, string, string][] = [
  [/^(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+$/, 'amazonaws.com', 'eu-central-2'],
  [/^cn-\w+-\d+$/, 'amazonaws.com.cn', 'cn-northwest-1'],
  [/^eusc-(de)-\w+-\d+$/, 'amazonaws.eu', 'eusc-de-east-1'],
  [/^us-iso-\w+-\d+$/, 'c2s.ic.gov', 'us-iso-east-1'],
  [/^us-isob-\w+-\d+$/, 'sc2s.sgov.gov', 'us-isob-east-1'],
  [/^eu-isoe-\w+-\d+$/, 'cloud.adc-e.uk', 'eu-isoe-west-1'],
  [/^us-isof-\w+-\d+$/, 'csp.hci.ic.gov', 'us-isof-south-1'],
  [/^us-gov-\w+-\d+$/, 'amazonaws.com', 'us-gov-west-1'],
]

test.each(PARTITIONS)('a region of the form %s has endpoints in %s', (form, domain, region) => {
  expect(region).toMatch(form)
  expect(domainOf(region)).toBe(domain)
  expect(endpointHost('kinesis', region)).toBe(`kinesis.${region}.${domain}`)
  expect(checkRegion(region)).toBeUndefined()
})

test.each(['', 'EU', 'eu-west-1.example.com', 'eu-west-1/', 'eu west', '$AWS_REGION', '-a-b'])(
  '%s is not the name of a region',
  (text) => {
    expect(checkRegion(text)).toBeDefined()
  },
)

describe('an endpoint', () => {
  test.each([
    [
      'vpce-1.kinesis.eu-west-1.vpce.amazonaws.com',
      undefined,
      'https://vpce-1.kinesis.eu-west-1.vpce.amazonaws.com',
      443,
      '',
    ],
    ['127.0.0.1', 4567, 'https://127.0.0.1:4567', 4567, ''],
    ['http://localhost:4566/', 1, 'http://localhost:4566', 4566, ''],
    ['http://localhost', undefined, 'http://localhost', 80, ''],
    ['https://h:443/a/b/', undefined, 'https://h', 443, '/a/b'],
    ['h:8443', undefined, 'https://h:8443', 8443, ''],
    ['[::1]:80', undefined, 'https://[::1]:80', 80, ''],
  ])('%s with the port %p is %s', (text, port, origin, usedPort, basePath) => {
    const endpoint = parseEndpoint(text, 'endpoint', port)
    expect(endpoint).toMatchObject({ origin, port: usedPort, basePath })
    expect(endpoint.origin).toEndWith(`//${endpoint.hostHeader}`)
  })

  test.each(['', 'ftp://h', 'http://', 'https://u:p@h', 'h?x=1', 'a b', 'https://h#f'])(
    'is not %s',
    (text) => {
      expect(checkEndpoint(text)).toBeDefined()
      expect(() => parseEndpoint(text, 'endpoint')).toThrow('endpoint is not a host or a URL of one')
    },
  )

  test('is that of the region, unless one is set', () => {
    const parse = (texts: { region: string; endpoint?: string; port?: string }) =>
      endpointOf(parseOptions(AWS_OPTIONS, texts), 'firehose').origin
    expect(parse({ region: 'cn-north-1' })).toBe('https://firehose.cn-north-1.amazonaws.com.cn')
    expect(parse({ region: 'cn-north-1', endpoint: 'http://127.0.0.1', port: '9' })).toBe(
      'http://127.0.0.1:9',
    )
  })
})

test('the options of other outputs have the same names behind aws_', () => {
  const shared = ['region', 'role_arn', 'external_id', 'sts_endpoint', 'profile']
  for (const name of shared) {
    expect(Object.keys(AWS_OPTIONS)).toContain(name)
    expect(Object.keys(AWS_AUTH_OPTIONS)).toContain(`aws_${name}`)
  }
})
