import { EVERYDAY, testTable } from '../../support/tail/rotations/suite.ts'

testTable(
  'every line arrives once after three rotations in which the agent was suspended:',
  EVERYDAY,
  'burst',
)
