import { expect, test } from 'bun:test'
import type { S3Api } from '../../../../src/plugins/outputs/s3/api.ts'
import { BlockSource } from '../../../../src/plugins/outputs/s3/blocks.ts'
import { Journal } from '../../../../src/plugins/outputs/s3/journal.ts'
import { type ObjectHost, OpenObject } from '../../../../src/plugins/outputs/s3/open-object.ts'
import { outputContext } from '../../../support/engine/output-context.ts'
import { until } from '../../../support/until.ts'

const PART = Buffer.from('0123456789')
const RECORD = { from: 0, to: 1, sec: 0, ids: undefined }

/** An object with parts of ten bytes. `progress` is called in its place after each request. */
function objectOf(progress: (object: OpenObject) => void): { object: OpenObject; requests: string[] } {
  const requests: string[] = []
  const { clock, signal, buffers, log } = outputContext()
  const api = {
    createUpload: async () => 'id',
    uploadPart: async (_key: string, _id: string, number: number) => {
      requests.push(`part ${number}`)
      return 'etag'
    },
    completeUpload: async () => void requests.push('complete'),
  }
  const host: ObjectHost = {
    ...{ clock, signal, compress: undefined, partBytes: PART.length },
    api: api as unknown as S3Api,
    journal: new Journal(undefined, log),
    buffers: new BlockSource(buffers),
    limited: (_, run) => run(),
    keyOf: () => ({ key: 'key', isNew: true, isUnique: true }),
    progress: () => progress(object),
    failed: (_, error) => requests.push(error.message),
    ended: () => {},
  }
  const object = new OpenObject(host, { tag: 't', hasIds: false })
  return { object, requests }
}

/** Runs `act` as a flush does that waited for the progress: in a microtask of its own. */
function afterProgress(act: (object: OpenObject) => void): (object: OpenObject) => void {
  let isFirst = true
  return (object) => {
    if (isFirst) queueMicrotask(() => act(object))
    isFirst = false
  }
}

test('uploads a part that fills just after the one before it was uploaded', async () => {
  const { object, requests } = objectOf(afterProgress((each) => each.add(PART, RECORD)))
  object.add(PART, RECORD)
  await until(() => requests.length >= 2)
  expect(requests).toEqual(['part 1', 'part 2'])
})

test('completes an object that is sealed just after a part was uploaded', async () => {
  const { object, requests } = objectOf(afterProgress((each) => each.seal()))
  object.add(PART, RECORD)
  await until(() => requests.length >= 2)
  expect(requests).toEqual(['part 1', 'complete'])
})
