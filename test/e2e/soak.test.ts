import { expect, test } from 'bun:test'
import { shortOrLong } from '../support/long.ts'
import { Soak } from '../support/soak/soak.ts'
import { tmp } from '../support/tmp.ts'

/** `npm run test:long` runs many seeds; SHIPPER_SEED=100 SHIPPER_SOAK=50 runs 50 seeds from 100 on, of SHIPPER_STEPS each. */
const FROM = Number(process.env.SHIPPER_SEED ?? 0)
const COUNT = Number(process.env.SHIPPER_SOAK ?? shortOrLong(0, 200))
const STEPS = Number(process.env.SHIPPER_STEPS ?? (COUNT > 0 ? 50 : 20))
/** Seeds of plain lines and of container lines, of each kind of rotation, starting at the head and at the end of a file. */
const SHORT_SEEDS = [1, 4, 5, 7]
const SEEDS = COUNT > 0 ? Array.from({ length: COUNT }, (_, i) => FROM + i) : SHORT_SEEDS

for (const seed of SEEDS) {
  test(`whatever happens to programs, agent and peers, no line is lost: seed ${seed}`, async () => {
    const soak = new Soak(tmp(), seed)
    await soak.run(STEPS)
    expect(soak.stats.lines).toBeGreaterThan(0)
    process.stdout.write(`seed ${seed}: ${JSON.stringify(soak.stats)}\n`)
  })
}
