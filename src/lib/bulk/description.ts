/** What the pages of es and opensearch have in common. */
export const BULK_DESCRIPTION =
  'Each document has its own outcome. Documents that were written (200, 201), and with Write_Operation create those whose id exists (409, version conflict), ' +
  'are delivered. Documents that the server refuses for their content (mapping conflicts, values that cannot be parsed) go to the dead ' +
  'letters with their error type and reason. Documents for which it has no capacity (429, 503) are retried, without the others. Conditions ' +
  'that an operator has to fix (a missing index or pipeline, a blocked index, credentials) are retried until they are fixed and lose no record; ' +
  'documents whose index a field of the record names, for Dead_Letter_After, as others would wait for them.\n\n' +
  '**No duplicates**: by default the id of a document is derived from the position of its record, so a request that is sent again because its ' +
  'response was lost, or because the agent was killed, writes no document twice. Two equal lines stay two documents. Limits: a data stream ' +
  'checks ids in its current write index only, so records that are sent again after a rollover may be duplicated; likewise records that ' +
  'get another index because it is named after the time of sending (Current_Time_Index).\n\n' +
  'Requests have up to 3 MB and 10,000 documents, of all tags together; a larger document is sent alone, and refused only if the server answers 413. The number of concurrent requests adapts to what the server can take. ' +
  '`filter_path` keeps responses short.'
