import { EVERYDAY, testTable } from '../../support/tail/rotations/suite.ts'

testTable('every line comes once while the agent looks on:', EVERYDAY, 'live')
