import { describe, expect, test } from 'bun:test'
import { awsErrorOf, classOf, describeAwsError, xmlText } from '../../../src/lib/aws/error-answer.ts'

describe('an error', () => {
  test.each([
    ['JSON 1.1', '{"__type":"ResourceNotFoundException","message":"Stream s not found"}', undefined],
    [
      'a namespace',
      '{"__type":"com.amazonaws.kinesis.v20131202#ResourceNotFoundException","Message":"Stream s not found"}',
      undefined,
    ],
    [
      'a header',
      '{"message":"Stream s not found"}',
      'ResourceNotFoundException:http://internal.amazon.com/x/',
    ],
    [
      'XML',
      '<?xml version="1.0"?>\n<Error><Code>ResourceNotFoundException</Code><Message>Stream s not found</Message></Error>',
      undefined,
    ],
  ])('in the form of %s has its name, words and class', (_, text, type) => {
    const error = awsErrorOf(400, text, type)
    expect(error).toEqual({
      name: 'ResourceNotFoundException',
      message: 'Stream s not found',
      class: 'missing',
    })
    expect(describeAwsError(400, error)).toBe('status 400 ResourceNotFoundException: Stream s not found')
  })

  test.each([
    '',
    'null',
    '[]',
    '"x"',
    '{"__type":5}',
    '{"__type":"a b"}',
    '<html><Code>x',
    `{"__type":"${'x'.repeat(200)}"}`,
    '{',
  ])('in none of the forms, as %s, is unknown', (text) => {
    expect(awsErrorOf(400, text, undefined)).toEqual({ name: '', message: '', class: 'unknown' })
    expect(awsErrorOf(503, text, undefined).class).toBe('server')
  })

  test('that is cut off has its name and the beginning of its words', () => {
    const message = `2 validation errors detected: ${'Value at logEvents.1.member '.repeat(4000)}`
    const cut = JSON.stringify({ __type: 'ns#InvalidParameterException', message }).slice(0, 65_536)
    expect(awsErrorOf(400, cut, undefined)).toMatchObject({
      name: 'InvalidParameterException',
      class: 'validation',
    })
    expect(awsErrorOf(400, cut, undefined).message).toStartWith('2 validation errors detected: Value')
    const late = JSON.stringify({ message, __type: 'x' }).slice(0, 65_536)
    expect(awsErrorOf(400, late, 'ValidationException:http://x/')).toMatchObject({
      name: 'ValidationException',
    })
    expect(awsErrorOf(400, late, undefined).name).toBe('')
    const xml = `<Error><Code>ExpiredToken</Code><Message>${message}`
    expect(awsErrorOf(400, xml, undefined)).toMatchObject({ name: 'ExpiredToken', class: 'credentials' })
  })

  test('of a wrong signature does not show the request again', () => {
    const text = JSON.stringify({
      __type: 'InvalidSignatureException',
      message:
        "It does not match.\n\nThe Canonical String for this request should have been\n'POST\nx-amz-security-token:abc'",
    })
    expect(awsErrorOf(403, text, undefined).message).toBe('It does not match.')
  })

  test('with control characters and without end is one line of limited length', () => {
    const { message } = awsErrorOf(
      400,
      JSON.stringify({ message: `\x1b[31m${'a'.repeat(10_000)}` }),
      undefined,
    )
    expect(message).toStartWith('\\x1b[31maaa')
    expect(message.length).toBeLessThan(520)
  })

  test.each([
    ['ProvisionedThroughputExceededException', 400, 'throttling'],
    ['SlowDown', 503, 'throttling'],
    ['ExpiredTokenException', 400, 'credentials'],
    ['RequestTimeTooSkewed', 403, 'clock'],
    ['AccessDeniedException', 400, 'access'],
    ['NoSuchBucket', 404, 'missing'],
    ['ValidationException', 400, 'validation'],
    ['InternalFailure', 500, 'server'],
    ['Whatever', 429, 'throttling'],
    ['Whatever', 403, 'access'],
    ['Whatever', 502, 'server'],
    ['Whatever', 400, 'unknown'],
    ['constructor', 400, 'unknown'],
  ] as const)('%s with status %d is of the class %s', (name, status, expected) => {
    expect(classOf(name, status)).toBe(expected)
  })
})

describe('xmlText', () => {
  test('returns the text of an element, entities replaced', () => {
    expect(xmlText('<A><B>1 &lt; 2 &amp;&#10;&quot;x&quot; &unknown;</B></A>', 'B')).toBe(
      '1 < 2 &\n"x" &unknown;',
    )
    expect(xmlText('<A></A>', 'A')).toBe('')
  })

  test('returns undefined for what is missing, open or no text', () => {
    for (const xml of ['', '<B>', '<B>x', '<B>x</C>', '<B><C>x</C></B>', '<b>x</b>', '<B x="1">x</B>'])
      expect(xmlText(xml, 'B')).toBeUndefined()
  })
})
