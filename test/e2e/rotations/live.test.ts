import { EVERYDAY, testTable } from '../../support/tail/rotations/suite.ts'

testTable('every line arrives once while the agent is watching:', EVERYDAY, 'live')
