// Orders test files: `bun test --parallel` starts the slowest ones first, if it knows how long each takes.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/** Seconds of the slowest files on a build server with two cores, for the first run of a checkout. Rough values are enough. */
export const SLOW_SECONDS = new Map(
  Object.entries({
    'test/e2e/arm64.test.ts': 25,
    'test/e2e/containers.test.ts': 25,
    'test/e2e/crash.test.ts': 25,
    'test/e2e/guides/kubernetes-to-kafka.test.ts': 20,
    'test/e2e/guides/relay.test.ts': 20,
    'test/e2e/journal.test.ts': 25,
    'test/e2e/kafka-faults.test.ts': 70,
    'test/e2e/kafka-journal.test.ts': 20,
    'test/e2e/kafka-relay.test.ts': 30,
    'test/e2e/kafka-replicas.test.ts': 60,
    'test/e2e/kafka.test.ts': 30,
    'test/e2e/node-variant.test.ts': 25,
    'test/e2e/outage.test.ts': 40,
    'test/e2e/release.test.ts': 40,
    'test/e2e/relay.test.ts': 25,
    'test/e2e/rotation.test.ts': 25,
    'test/e2e/rotations/away.test.ts': 25,
    'test/e2e/rotations/burst.test.ts': 25,
    'test/e2e/rotations/live.test.ts': 25,
    'test/e2e/soak.test.ts': 25,
    'test/plugins/inputs/tail/discovery/watches.test.ts': 45,
    'test/plugins/inputs/tail/multiline.test.ts': 15,
    'test/store/open.test.ts': 25,
  }),
)
const OTHER_SECONDS = 2

/**
 * Adds files without a measured time to the file of times at `path`: bun would start them before the slow ones.
 * @param {string} path
 * @param {string[]} files
 */
export function addTimes(path, files) {
  const known = measured(path)
  const missing = files.filter((file) => known[file] === undefined)
  const added = missing.map((file) => [file, 1000 * (SLOW_SECONDS.get(file) ?? OTHER_SECONDS)])
  writeFileSync(path, JSON.stringify({ version: 1, files: { ...known, ...Object.fromEntries(added) } }))
}

/**
 * Returns the milliseconds of each file in an earlier run.
 * @param {string} path
 * @returns {Record<string, number>}
 */
function measured(path) {
  if (!existsSync(path)) return {}
  try {
    return JSON.parse(readFileSync(path, 'utf8')).files ?? {}
  } catch {
    // A run that was ended while it wrote the file: nothing but the order depends on it.
    return {}
  }
}
