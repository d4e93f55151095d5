import { bytesText } from '../text/bytes.ts'
import { countText } from '../text/duration.ts'
import type { Backlog } from './types.ts'

/** Says that a buffer has records for an output which the configuration does not have, and what to do. */
export function unknownOutputText(
  folder: string,
  name: string,
  { records, bytes }: Pick<Backlog, 'records' | 'bytes'>,
): { message: string; hint: string } {
  const count = records === 1 ? '1 record' : `${countText(records)} records`
  return {
    message: `the buffer ${folder} has ${count} (${bytesText(bytes)}) for the output ${name}, which is not in the configuration; ${records === 1 ? 'it stays' : 'they stay'} there`,
    hint: `to send them, add an output with Alias ${name} and a Match that matches no tag; to discard them, make it Name null`,
  }
}
