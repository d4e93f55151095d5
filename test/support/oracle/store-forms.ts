import type { OracleCase, Outcome } from './case.ts'

/** Leaves the path of what is wanted of the answer out of bulk requests: fluent-bit reads all of it. */
export function bulkForm(outcome: Outcome): Outcome {
  const requests = outcome.requests?.map((request) =>
    request.line === undefined
      ? request
      : { ...request, line: request.line.replace(/[?&]filter_path=[\w.,*]+/, '') },
  )
  return requests === undefined ? outcome : { ...outcome, requests }
}

/**
 * Joins the streams with the same labels in push requests of Loki, which fluent-bit writes once for each record, and reads lines that are
 * JSON, in which fluent-bit escapes what is not ASCII.
 */
export function lokiForm(outcome: Outcome): Outcome {
  if (outcome.requests === undefined) return outcome
  const requests = outcome.requests.map((request) => {
    if (typeof request.body !== 'string' || !request.body.startsWith('{')) return request
    const { streams } = JSON.parse(request.body) as { streams: { stream: object; values: unknown[][] }[] }
    const joined = Map.groupBy(streams, ({ stream }) => JSON.stringify(stream))
    const body = [...joined].map(([labels, parts]) => ({
      labels,
      values: parts.flatMap(({ values }) => values).map(([ns, line, ...rest]) => [ns, lineOf(line), ...rest]),
    }))
    return { ...request, body: JSON.stringify(body) }
  })
  return { ...outcome, requests }
}

function lineOf(line: unknown): unknown {
  try {
    return { json: JSON.parse(String(line)) as unknown }
  } catch {
    return line
  }
}

/** Returns the case with its outcomes in that form. */
export function caseIn(form: (outcome: Outcome) => Outcome, oracle: OracleCase): OracleCase {
  return {
    ...oracle,
    got: form(oracle.got),
    ...(oracle.better === undefined ? {} : { better: form(oracle.better) }),
  }
}
