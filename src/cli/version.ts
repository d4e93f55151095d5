import { readFileSync } from 'node:fs'

// Defined by scripts/build.ts. They do not exist in a run from source, which `typeof` detects without an error.
declare const SHIPPER_VERSION: string | undefined
declare const SHIPPER_COMMIT: string | undefined
declare const SHIPPER_TARGET: string | undefined

interface Version {
  version: string
  /** Short commit id; `source` in a run from source. */
  commit: string
  /** Platform of the binary, e.g. `linux-x64-musl`. */
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
