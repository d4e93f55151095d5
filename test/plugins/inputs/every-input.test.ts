import { expect, test } from 'bun:test'
import { registry } from '../../../src/registry.ts'
import { CASES } from '../../contract/every-input/cases.ts'
import { everyInputContract } from '../../contract/every-input/claims.ts'
import { inputOptionsContract } from '../../contract/every-input/options.ts'

test('the contract suite runs every input of the registry', () => {
  expect([...new Set(CASES.map(({ input }) => input))].sort()).toEqual(registry.names('input').sort())
})

for (const inputCase of CASES) everyInputContract(inputCase)

for (const input of registry.names('input'))
  inputOptionsContract(
    input,
    CASES.filter((one) => one.input === input),
  )
