import { strftimeForm, type TimeForm } from '../records/json-time.ts'
import { TimeText } from '../records/time-text.ts'

/** Formats that end with seconds, which a fraction and the zone may follow. */
const ENDS_WITH_SECONDS = /%[ST]$/

/** Returns the form of the time of a document. Throws E_CONFIG_BAD_VALUE for a directive that does not exist. */
export function documentTimeForm(format: string, nanos: boolean): TimeForm {
  TimeText.parse(format, 'time_key_format')
  return strftimeForm(format, !ENDS_WITH_SECONDS.test(format) ? 0 : nanos ? 9 : 3)
}
