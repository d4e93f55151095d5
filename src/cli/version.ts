import { readFileSync } from 'node:fs'

// Put in by scripts/build.ts; in a run from source there are no such names, and `typeof` says so without an error.
declare const SHIPPER_VERSION: string | undefined
declare const SHIPPER_COMMIT: string | undefined
declare const SHIPPER_TARGET: string | undefined

interface Version {
  version: string
  /** Short id of the commit; `source` in a run from source. */
  commit: string
  /** What the binary was built for, e.g. `linux-x64-musl`. */
  target: string
}

export const VERSION: Version =
  typeof SHIPPER_VERSION === 'string'
    ? { version: SHIPPER_VERSION, commit: SHIPPER_COMMIT ?? '', target: SHIPPER_TARGET ?? '' }
    : { version: versionOfPackage(), commit: 'source', target: `${process.platform}-${process.arch}` }

function versionOfPackage(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
