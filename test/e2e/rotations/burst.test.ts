import { EVERYDAY, testTable } from '../../support/tail/rotations/suite.ts'

testTable('every line comes once after three rotations in which the agent was suspended:', EVERYDAY, 'burst')
