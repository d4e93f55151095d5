// C0, DEL, C1, line separators, and the marks that turn the direction of what follows.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g
const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Text without control characters, and so on one line: `\n`, `\x1b`, `\u202e` are written out. */
export function escapeControls(text: string): string {
  return text.replace(CONTROL, (c) => {
    const code = c.charCodeAt(0)
    return SHORT[c] ?? (code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : unicodeEscape(c))
  })
}

/** What JSON.stringify leaves of them could still steer a terminal that shows the text. */
export function escapeJsonControls(json: string): string {
  return json.replace(CONTROL, unicodeEscape)
}

/** At most this many characters, and dots where some are left out. */
export function truncate(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}...` : text
}

function unicodeEscape(c: string): string {
  return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
}
