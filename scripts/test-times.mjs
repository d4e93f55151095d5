// Orders test files: `bun test --parallel` starts the slowest ones first, if it knows how long each takes.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'

/** Seconds of the slowest files on a build server with two cores, for the first run of a checkout. Rough values are enough. */
export const SLOW_SECONDS = new Map(
  Object.entries({
    'test/e2e/bad-input.test.ts': 40,
    'test/e2e/buffer-outputs.test.ts': 15,
    'test/e2e/buffer.test.ts': 15,
    'test/e2e/bulk-faults.test.ts': 15,
    'test/e2e/cloudwatch-logs.test.ts': 25,
    'test/e2e/collectors.test.ts': 10,
    'test/e2e/containers.test.ts': 20,
    'test/e2e/content-marks.test.ts': 10,
    'test/e2e/crash.test.ts': 20,
    'test/e2e/database.test.ts': 20,
    'test/e2e/es-exactly-once.test.ts': 10,
    'test/e2e/expressions.test.ts': 10,
    'test/e2e/files.test.ts': 15,
    'test/e2e/fluentd-kill.test.ts': 15,
    'test/e2e/full-disk.test.ts': 10,
    'test/e2e/guides/relay.test.ts': 10,
    'test/e2e/hostile.test.ts': 10,
    'test/e2e/install/download.test.ts': 10,
    'test/e2e/install/drop-ins.test.ts': 15,
    'test/e2e/install/journal-service.test.ts': 10,
    'test/e2e/install/lifecycle.test.ts': 10,
    'test/e2e/install/system.test.ts': 10,
    'test/e2e/install/upgrade.test.ts': 10,
    'test/e2e/joined-ids.test.ts': 10,
    'test/e2e/journal.test.ts': 10,
    'test/e2e/json-stores.test.ts': 15,
    'test/e2e/kafka-faults.test.ts': 60,
    'test/e2e/kafka-journal.test.ts': 10,
    'test/e2e/kafka-relay.test.ts': 15,
    'test/e2e/kafka-replicas.test.ts': 40,
    'test/e2e/kafka.test.ts': 40,
    'test/e2e/kubernetes.test.ts': 10,
    'test/e2e/notify.test.ts': 5,
    'test/e2e/oracle/configurations.test.ts': 35,
    'test/e2e/oracle/inputs.test.ts': 35,
    'test/e2e/oracle/outputs.test.ts': 55,
    'test/e2e/order.test.ts': 15,
    'test/e2e/outage.test.ts': 35,
    'test/e2e/record-ids.test.ts': 25,
    'test/e2e/relay.test.ts': 20,
    'test/e2e/release.test.ts': 30,
    'test/e2e/rotation.test.ts': 20,
    'test/e2e/rotations/away.test.ts': 20,
    'test/e2e/rotations/burst.test.ts': 15,
    'test/e2e/rotations/live.test.ts': 15,
    'test/e2e/s3.test.ts': 35,
    'test/e2e/soak.test.ts': 10,
    'test/e2e/socket-outputs.test.ts': 30,
    'test/e2e/store-faults.test.ts': 35,
    'test/e2e/store-outage.test.ts': 20,
    'test/e2e/tags.test.ts': 5,
    'test/plugins/filters/every-filter.test.ts': 50,
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
