/**
 * True in `npm run test:long`. A test that can run for long imports this: it has a short form for `npm test`, which makes
 * the same claims with fewer rounds, and its full form for hours when no one waits. A file `*.long.test.ts` runs only there.
 */
export const LONG = process.env.SHIPPER_LONG === '1'

/** Returns the first value in `npm test`, the second in `npm run test:long`. */
export function shortOrLong<T>(short: T, long: T): T {
  return LONG ? long : short
}
