import { expect, test } from 'bun:test'
import { AgeLimit } from '../../../../src/plugins/outputs/s3/age-limit.ts'
import { BlockSource } from '../../../../src/plugins/outputs/s3/blocks.ts'
import { Journal } from '../../../../src/plugins/outputs/s3/journal.ts'
import { type ObjectHost, OpenObject } from '../../../../src/plugins/outputs/s3/open-object.ts'
import { OpenObjects } from '../../../../src/plugins/outputs/s3/open-objects.ts'
import { outputContext } from '../../../support/engine/output-context.ts'

const RECORD = { from: 0, to: 1, sec: 0, ids: undefined }

/** An object of a number of records, with a limit of 1,000 ms that is checked at the times given. */
function agingObject(expected: number | undefined): {
  object: OpenObject
  checkAt(ms: number): boolean
  add(): void
} {
  let nowMs = 0
  let check = (): void => {}
  const clock = {
    nowMs: () => nowMs,
    after: (_: number, run: () => void) => {
      check = run
      return 0 as never
    },
    cancel: () => {},
  }
  const { buffers, log, signal } = outputContext()
  const host: ObjectHost = {
    ...{ clock, signal, compress: undefined, partBytes: 1000 },
    api: { putObject: () => new Promise(() => {}) } as never,
    journal: new Journal(undefined, log),
    buffers: new BlockSource(buffers),
    limited: (_, run) => run(),
    keyOf: () => ({ key: 'key', isNew: true, isUnique: true }),
    ...{ progress: () => {}, failed: () => {}, ended: () => {} },
  }
  const objects = new OpenObjects()
  const ages = new AgeLimit(objects, clock, 1000)
  const object = new OpenObject(host, { tag: 't', hasIds: false, expected })
  objects.add(object, 'placed')
  ages.start()
  const add = (): void => object.add(Buffer.from('x'), RECORD)
  const checkAt = (ms: number): boolean => {
    nowMs = ms
    check()
    return object.isSealed
  }
  return { object, checkAt, add }
}

test('an object is complete at its age, whatever is added meanwhile', () => {
  const { checkAt, add } = agingObject(undefined)
  add()
  expect(checkAt(900)).toBe(false)
  add()
  expect(checkAt(1000)).toBe(true)
})

test('the age of an object of the last run counts from the latest of its records, as long as it lacks some', () => {
  const { checkAt, add } = agingObject(3)
  add()
  expect(checkAt(900)).toBe(false)
  add()
  expect(checkAt(1800)).toBe(false)
  expect(checkAt(1900)).toBe(true)
})
