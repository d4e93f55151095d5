import { expect, test } from 'bun:test'
import { registry } from '../../../src/registry.ts'
import { CASES } from '../../contract/every-filter/cases.ts'
import { everyFilterContract } from '../../contract/every-filter/claims.ts'

test('the contract suite runs every filter of the registry', () => {
  expect([...new Set(CASES.map(({ filter }) => filter))].sort()).toEqual(registry.names('filter').sort())
})

for (const filterCase of CASES) everyFilterContract(filterCase)
