const DAY_OR_MONTH = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*'
const LEVEL = 'TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|SEVERE|ALERT|EMERG|FINE'

/** Forms in which the lines of a log begin: a time, a priority, a level, an address, JSON, or logfmt. */
const FORMS = [
  String.raw`[\[(<"']?\d{4}[-/.]\d\d?[-/.]\d\d?(?!\d)`,
  String.raw`[\[(<"']?\d\d?[-/.](?:\d\d?|[A-Z][a-z]{2})[-/.]\d{2,4}(?!\d)`,
  String.raw`[\[(<"']?\d\d?:\d\d(?::\d\d)?(?![\d:])`,
  String.raw`[\[(<"']?1\d{9}(?:\d{3}){0,3}(?:\.\d+)?[\s\]):]`,
  String.raw`[\[(<"']?${DAY_OR_MONTH},?\s+(?:\d\d?|${DAY_OR_MONTH})[,\s]`,
  String.raw`<\d{1,3}>`,
  String.raw`[IWEFD]\d{4} \d\d:`,
  String.raw`[DIWEFAU], \[\d{4}-`,
  String.raw`\[Nest\] `,
  String.raw`\{.*"(?:level|lvl|severity|ts|time|timestamp|@timestamp)":`,
  String.raw`[\[(<|]?\s?(?:${LEVEL})(?:$|[^\w.])`,
  String.raw`\[(?:trace|debug|info|notice|warn|warning|error|fatal|critical)\]`,
  String.raw`(?:trace|debug|info|notice|warn|warning):\s`,
  String.raw`(?:time|ts|timestamp|level|lvl|severity|msg|t)=\S`,
  String.raw`[\da-f:.]{2,45} \S{1,200} \S{1,200} \[`,
]
const COLORS = String.raw`(?:\x1b\[[\d;]*m)*`
const LOG_START = new RegExp(`^${COLORS}(?:${FORMS.join('|')})`)

/**
 * True for a line that begins like a log line, and thus is not part of the message of the exception before
 * it.
 */
export function beginsLikeLog(text: string): boolean {
  return LOG_START.test(text)
}
