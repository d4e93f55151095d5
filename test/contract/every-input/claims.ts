import { describe } from 'bun:test'
import { peerOrSkip } from '../../support/skip.ts'
import { testOutcomes } from './claims/outcomes.ts'
import { testIdentities, testPlaces } from './claims/places.ts'
import { testEnd, testGone, testLarge, testMemory, testOversize, testRecords } from './claims/records.ts'
import { testLook, testStop, testTaken } from './claims/runs.ts'
import type { InputCase } from './source.ts'

/** Registers the tests of all claims for one input. */
export function everyInputContract(inputCase: InputCase): void {
  const { input, what, noRecords, missingPeer } = inputCase
  describe(what === undefined ? input : `${input}, ${what}`, () => {
    if (missingPeer !== undefined) {
      peerOrSkip(input, false, missingPeer)('fulfills the contract of inputs', () => {})
      return
    }
    testLook(inputCase)
    if (noRecords === undefined) {
      testRecords(inputCase)
      testMemory(inputCase)
      testEnd(inputCase)
      testGone(inputCase)
      testOutcomes(inputCase)
      testOversize(inputCase)
      testLarge(inputCase)
      testPlaces(inputCase)
    }
    testStop(inputCase)
    if (inputCase.listens === true) {
      testTaken(inputCase)
      testIdentities(inputCase)
    }
  })
}
