/** A metric with its samples, as in the Prometheus text format. */
export interface Family {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  /** May be made one by one while they are shown, which takes turns: each has values of one moment, all together not. */
  samples: Iterable<Sample>
  /** Names of the labels that the samples may have, where they are chosen by a configuration. */
  labelNames?: readonly string[]
}

/** One series. Label names are any text; what shows them makes valid names. */
export interface Sample {
  labels: Record<string, string>
  /** Of a histogram the sum of the values that it has counted. */
  value: number
  /** Of a histogram only. */
  histogram?: Histogram
}

export interface Histogram {
  /** Upper bounds in ascending order, without infinity. */
  bounds: readonly number[]
  /** Number of values up to each bound. */
  counts: readonly number[]
  /** Number of all values. */
  count: number
}
