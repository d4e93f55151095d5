import { expect, test } from 'bun:test'
import { KubeApi } from '../support/kubernetes/api-server.ts'
import { outageWithPods } from '../support/kubernetes/outage.ts'
import { RealApi, testWithApiServer } from '../support/kubernetes/real-api.ts'
import { LONG, shortOrLong } from '../support/long.ts'

const LIMIT_MS = 1_800_000
/** Ten minutes in `npm run test:long`. */
const SECONDS = shortOrLong(5, 600)
const PODS = shortOrLong(25, 200)
const SHAPE = { seconds: SECONDS, pods: PODS, alive: 5, linesOfPod: 3000 }
/** Of the resident memory: less than what is written during the outage, and that before the store is back. */
const MAX_GROWTH = 64_000_000
const MAX_OUTAGE_GROWTH = 20_000_000

async function isComplete(run: ReturnType<typeof outageWithPods>): Promise<void> {
  const { fates, written, deleted, peaks, stderr } = await run
  const complete = { kept: written, twice: 0, missing: 0, first: [], refused: 0, disorder: 0, unlabeled: 0 }
  expect([fates, stderr.includes('E_TAIL_ABANDONED')]).toEqual([complete, false])
  expect(deleted).toBeGreaterThan(PODS)
  expect(peaks.caughtUp - peaks.before).toBeLessThan(MAX_GROWTH)
  if (!LONG) return
  const figures = Object.entries(peaks).map(([when, bytes]) => `${when} ${(bytes / 1e6).toFixed(1)}`)
  process.stdout.write(
    `${written} lines of ${deleted} pods: highest resident memory in MB: ${figures.join(', ')}\n`,
  )
  expect(peaks.end - peaks.before).toBeLessThan(MAX_OUTAGE_GROWTH)
}

test(
  'lines of pods that are deleted with their logs while the store is away arrive with their labels, once, in order',
  async () => {
    const api = await KubeApi.start()
    const remove = ({ metadata }: { metadata: { namespace: string; name: string } }): void =>
      api.delete(metadata.namespace, metadata.name)
    const pods = { url: api.url, create: api.create.bind(api), remove }
    await isComplete(outageWithPods({ ...SHAPE, api: pods }))
  },
  LIMIT_MS,
)

testWithApiServer(
  'with a real API server, lines of pods that are deleted while the store is away arrive with their labels',
  async () => {
    const api = await RealApi.start()
    const pods = {
      url: api.url,
      authority: api.authority,
      create: api.create.bind(api),
      remove: api.delete.bind(api),
    }
    // The administrator's: rights are another test's matter.
    await isComplete(outageWithPods({ ...SHAPE, api: pods, token: RealApi.token }))
  },
  LIMIT_MS,
)
