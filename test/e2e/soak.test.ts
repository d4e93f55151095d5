import { expect, test } from 'bun:test'
import { Soak } from '../support/soak/soak.ts'
import { tmp } from '../support/tmp.ts'

/** SHIPPER_SEED=100 SHIPPER_SOAK=50 runs 50 seeds from 100 on, of SHIPPER_STEPS each: to be run for long. */
const FROM = Number(process.env.SHIPPER_SEED ?? 0)
const COUNT = Number(process.env.SHIPPER_SOAK ?? 0)
const STEPS = Number(process.env.SHIPPER_STEPS ?? (COUNT > 0 ? 50 : 20))
/** Plain lines and those of containers, rotated in each way, begun at the head and at the end. */
const USUAL = [1, 4, 5, 7]
const SEEDS = COUNT > 0 ? Array.from({ length: COUNT }, (_, i) => FROM + i) : USUAL

for (const seed of SEEDS) {
  test(`whatever happens to programs, agent and peers, no line is lost: seed ${seed}`, async () => {
    const soak = new Soak(tmp(), seed)
    await soak.run(STEPS)
    expect(soak.stats.lines).toBeGreaterThan(0)
    process.stdout.write(`seed ${seed}: ${JSON.stringify(soak.stats)}\n`)
  })
}
