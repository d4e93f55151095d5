/** Functions of the filter script, for filters.bench.ts. */

/** Looks at a record, and keeps it. */
export function keep(_tag: string, _time: number, record: Record<string, unknown>): unknown[] {
  return record.level === 'none' ? [-1] : [0]
}

/** Adds a key to some records, and has all of them written anew. */
export function set(_tag: string, time: number, record: Record<string, unknown>): unknown[] {
  if (record.level === 'warn') record.team = 'shop'
  return [2, time, record]
}
