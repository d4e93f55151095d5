import { expect, test } from 'bun:test'
import { Guide } from '../../support/guide.ts'
import { freePorts } from '../../support/ports.ts'

test('the commands of the guide run as written: a sender is acknowledged while the output is down, and a kill -9 loses nothing', async () => {
  const [port = 0, central = 0] = await freePorts(2)
  const guide = new Guide('docs/guides/buffer.md', {
    replacements: {
      '0.0.0.0': '127.0.0.1',
      '10.0.0.5': '127.0.0.1',
      '24224': String(port),
      '24225': String(central),
      '/var/lib/shipper': 'state',
      '/etc/shipper/': '',
    },
  })
  const configuration = guide.configuration()
  guide.file('shipper.conf', configuration)
  const agent = guide.launch('shipper -c shipper.conf -f 0.1')
  await agent.waitForStderr('listening on')
  // A run of stdin ends with 0 when all of its lines are acknowledged.
  const send = (line: string) =>
    guide.launch(`echo ${line} | shipper -i stdin -t app -o forward://127.0.0.1:${port} -f 0.1`).ended()
  for (const line of ['one', 'two']) expect((await send(line)).code).toBe(0)
  expect(await guide.run('shipper buffer /var/lib')).toMatch(/\ncentral +2 +\d+ B +2 /)
  expect(await guide.run('shipper buffer /var/lib/shipper/buffer --check')).not.toContain('damaged')
  expect(await guide.run('shipper buffer -c')).toMatch(/^buffer state\/buffer: 1 file, /)
  agent.kill('SIGKILL')
  await agent.ended()

  const receiver = guide.launch(`shipper -i forward -p port=${central} -o stdout`)
  await receiver.waitForStderr('listening on')
  const again = guide.launch('shipper -c shipper.conf')
  await receiver.waitForStdout('"log"=>"two"')
  expect(receiver.stdout.indexOf('"one"')).toBeLessThan(receiver.stdout.indexOf('"two"'))
  expect((await again.stop()).code).toBe(0)
  const empty = guide.launch('shipper buffer -c shipper.conf')
  await empty.ended()
  expect(empty.stdout).toContain('nothing waits')

  // An output without an Alias gets one: what waits under its old name is sent by a second output.
  await receiver.stop()
  guide.file('unnamed.conf', configuration.replace('    Alias  central\n', ''))
  const unnamed = guide.launch('shipper -c unnamed.conf -f 0.1')
  await unnamed.waitForStderr('listening on')
  expect((await send('three')).code).toBe(0)
  await unnamed.stop()
  guide.file('both.conf', `${configuration.replace(String(central), '1')}${guide.configuration()}`)
  const look = guide.launch('shipper buffer -c unnamed.conf')
  await look.ended()
  expect(look.stdout).toMatch(/\nforward\.0 +1 /)
  const later = guide.launch(`shipper -i forward -p port=${central} -o stdout`)
  await later.waitForStderr('listening on')
  const both = guide.launch('shipper -c both.conf')
  await later.waitForStdout('"log"=>"three"')
  expect((await both.stop()).code).toBe(0)
  guide.done()
})
