/** Limit for the time from the first wait of a request to its answer, as a multiple of Max_Wait, which begins again with each progress. */
export const MAX_WAITS = 10
