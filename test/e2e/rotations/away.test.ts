import { EVERYDAY, testTable } from '../../support/tail/rotations/suite.ts'

const half = (remainder: number) => EVERYDAY.filter((_, i) => i % 2 === remainder)

testTable('every line arrives once after three rotations without the agent:', half(0), 'stopped')
testTable('every line arrives once after kill -9 and three rotations without the agent:', half(1), 'killed')
