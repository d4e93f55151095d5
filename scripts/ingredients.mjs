/** What the binary is made of: it is stale when one of these is newer, and from a dirty checkout when one is changed. */
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
