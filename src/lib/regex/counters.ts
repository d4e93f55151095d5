/** Counters of a plugin that matches expressions; the engine counts. */
export const REGEX_COUNTERS = {
  regex_step_limit:
    'texts on which a regular expression reached Regex_Step_Limit: lines are kept unparsed, records kept, tags match',
}
