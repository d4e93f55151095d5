import { expect, test } from 'bun:test'
import { ScramClient } from '../../../src/protocol/kafka/scram.ts'

/** Server messages of the exchange in RFC 7677, section 3. */
const FIRST = 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'
const FINAL = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='

function client(user = 'user', password = 'pencil'): ScramClient {
  return new ScramClient('sha256', user, password, 'rOprNGfwEbeRWgbNEkqO')
}

test('sends the messages of RFC 7677 and accepts its server', async () => {
  const scram = client()
  expect(scram.first().toString()).toBe('n,,n=user,r=rOprNGfwEbeRWgbNEkqO')
  expect((await scram.final(Buffer.from(FIRST))).toString()).toBe(
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,' +
      'p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  )
  scram.verify(Buffer.from(FINAL))
})

test('rejects a server that does not know the password', async () => {
  const scram = client('user', 'pen')
  await scram.final(Buffer.from(FIRST))
  expect(() => scram.verify(Buffer.from(FINAL))).toThrow('did not prove')
  expect(() => scram.verify(Buffer.from('e=other-error'))).toThrow('did not prove')
})

test.each([
  ['another nonce', FIRST.replace('r=rO', 'r=xx')],
  ['only the client nonce', 'r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'],
  ['too few iterations', FIRST.replace('4096', '1')],
  ['too many iterations', FIRST.replace('4096', '99999999999')],
  ['no salt', FIRST.replace('s=', 'x=')],
])('rejects a challenge with %s', async (_, challenge) => {
  await expect(client().final(Buffer.from(challenge))).rejects.toThrow('the broker')
})

test('escapes special characters in a user name', () => {
  expect(client('a=b,c').first().toString()).toBe('n,,n=a=3Db=2Cc,r=rOprNGfwEbeRWgbNEkqO')
})
