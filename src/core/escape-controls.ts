// C0, DEL, C1, line separators, and the marks that change the direction of the text after them.
// biome-ignore lint/suspicious/noControlCharactersInRegex: the expression has to match them
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g
const SHORT: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** Escapes control characters as `\n`, `\x1b`, `\u202e`; the result is a single line. */
export function escapeControls(text: string): string {
  return text.replace(CONTROL, (c) => {
    const code = c.charCodeAt(0)
    return SHORT[c] ?? (code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : unicodeEscape(c))
  })
}

/** Escapes control characters other than tab and newline: texts of several lines, shown in a terminal. */
export function escapeTerminalControls(text: string): string {
  return text.replace(CONTROL, (c) => (c === '\n' || c === '\t' ? c : escapeControls(c)))
}

/** Escapes the control characters that JSON.stringify leaves in place and that could still control a terminal. */
export function escapeJsonControls(json: string): string {
  return json.replace(CONTROL, unicodeEscape)
}

/** Returns at most `maxChars` characters, followed by dots when some are left out. */
export function truncate(text: string, maxChars: number): string {
  return text.length > maxChars ? `${text.slice(0, maxChars)}...` : text
}

function unicodeEscape(c: string): string {
  return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`
}
