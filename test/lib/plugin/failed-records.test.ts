import { expect, test } from 'bun:test'
import { ShipperError } from '../../../src/core/error.ts'
import { CounterMap } from '../../../src/engine/counters.ts'
import { FAILED_RECORDS, FailedRecords } from '../../../src/lib/plugin/failed-records.ts'
import { chunkOf } from '../../support/engine/chunk-of.ts'
import { listLog } from '../../support/engine/chunks.ts'

const NIL = new ShipperError('E_FILTER_FAILED', 'line 3: nil')

test.each([
  ['dead_letter', false, [[5, 20, 'line 3: nil']], []],
  ['pass', true, [], ['warn a record passes unchanged: line 3: nil']],
  ['drop', false, [], ['error a record is dropped: line 3: nil']],
] as const)('On_Error %s decides what becomes of a record', (onError, stays, rejections, lines) => {
  const logged = listLog()
  const counters = new CounterMap(FAILED_RECORDS)
  const rejected: unknown[] = []
  const failed = new FailedRecords(onError, {
    log: logged.log,
    counters,
    reject: (_chunk, start, end, reason) => void rejected.push([start, end, reason.message]),
  })
  expect(failed.handle(chunkOf([{ n: 1 }]), 5, 20, NIL)).toBe(stays)
  expect(rejected).toEqual(rejections as unknown as unknown[])
  expect(logged.lines).toEqual([...lines])
  expect(counters.snapshot().counterReasons.failed_records).toEqual({
    dead_letter: 0,
    pass: 0,
    drop: 0,
    [onError]: 1,
  })
})
