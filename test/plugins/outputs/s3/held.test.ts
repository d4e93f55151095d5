import { expect, test } from 'bun:test'
import { bench } from '../../../support/s3/bench.ts'

test('records that fill an object are held, with the limits at which it is stored; after that none is', async () => {
  const b = await bench({ upload_timeout: '10m', total_file_size: '50M' }, {}, 'input')
  expect(b.output.held?.()).toBeUndefined()
  await b.send(0, 40)
  await b.send(40, 2, 'other')
  const held = b.output.held?.()
  expect(held?.records).toBe(42)
  expect(held?.bytes).toBeGreaterThan(42_000)
  expect(held?.where).toMatch(
    /^in 2 open objects: the next is completed in [\d a-z]+ \(Upload_Timeout 10 min\), or at Total_File_Size 50M; positions do not move before an object is stored$/,
  )
  await b.output.finish?.()
  expect(b.output.held?.()).toBeUndefined()
})

test('an object that the store does not take is held as well', async () => {
  const b = await bench({ upload_timeout: '1s' }, { anyFault: 1 }, 'input')
  await b.send(0, 5)
  const finishing = b.output.finish?.()
  expect(b.output.held?.()?.records).toBe(5)
  expect(b.output.held?.()?.where).toBe(
    'in 1 open object, 1 complete and not yet stored: positions do not move before an object is stored',
  )
  await b.close()
  await finishing
})
