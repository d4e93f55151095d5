/** Inputs of the binary: it is stale if one of them is newer, and dirty if one of them has uncommitted changes. */
export const INGREDIENTS = [
  'src',
  'conf',
  'package.json',
  'package-lock.json',
  'pkg.config.json',
  'scripts/build.ts',
  'scripts/manifest.ts',
  'scripts/source.ts',
]
