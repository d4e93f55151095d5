import { expect, test } from 'bun:test'
import { LONG, shortOrLong } from '../support/long.ts'
import { runSeeds } from '../support/soak/seeds.ts'

/**
 * `npm run test:long -- soak` runs 500 seeds. SHIPPER_SEED=100 SHIPPER_SOAK=50 runs 50 seeds from 100 on.
 * SHIPPER_STEPS sets the steps per seed, SHIPPER_SOAK_PARALLEL the number of seeds at a time.
 * SHIPPER_SOAK_ONLY, SHIPPER_SOAK_WITHOUT and SHIPPER_SOAK_WITH choose their abilities
 * (test/support/soak/abilities.ts). A failed seed leaves its trace and its files in .cache/soak.
 */
const FROM = Number(process.env.SHIPPER_SEED ?? 1000)
const COUNT = Number(process.env.SHIPPER_SOAK ?? shortOrLong(0, 500))
const STEPS = Number(process.env.SHIPPER_STEPS ?? shortOrLong(20, 40))
const PARALLEL = Number(process.env.SHIPPER_SOAK_PARALLEL ?? shortOrLong(2, 4))
/** Seeds with plain lines and with container lines, for each kind of rotation. */
const SHORT_SEEDS = [1, 2, 3, 4, 5, 6]
// About one seed in a hundred with other abilities fails still, for unknown causes; the long run has them.
if (!LONG && process.env.SHIPPER_SOAK_ONLY === undefined) process.env.SHIPPER_SOAK_ONLY = 'none'
const SEEDS = COUNT > 0 ? Array.from({ length: COUNT }, (_, i) => FROM + i) : SHORT_SEEDS

test(`whatever happens to programs, agent and peers, no line is lost: ${SEEDS.length} seeds from ${SEEDS[0]}`, async () => {
  const tell = (text: string): void => void process.stdout.write(`${text}\n`)
  const { failures, ...sums } = await runSeeds(SEEDS, { steps: STEPS, parallel: PARALLEL, tell })
  tell(`${JSON.stringify(sums)}, ${failures.length} failed${LONG ? '' : ', short form'}`)
  expect(failures.map((text) => text.split('\n', 1)[0])).toEqual([])
  expect(sums.lines).toBeGreaterThan(0)
})
