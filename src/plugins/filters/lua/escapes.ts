/** A comment, a long string or comment with its level of signs, or a short string. What is between them has no escapes. */
const TOKEN =
  /--\[(=*)\[[\s\S]*?\]\1\]|--[^\n]*|\[(=*)\[[\s\S]*?\]\2\]|"(?:\\z\s*|\\[\s\S]|[^"\\\n])*"|'(?:\\z\s*|\\[\s\S]|[^'\\\n])*'/g
const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|z(\s*)|[\s\S])/g

/**
 * Replaces the escapes of strings that LuaJIT has and Lua 5.1 would take for letters: `\x41` by `\065`, and `\z` with the blanks
 * after it by nothing. `text` is latin1; line numbers stay, because the line feeds that `\z` passes over follow the string.
 */
export function withoutNewEscapes(text: string): string {
  if (!text.includes('\\x') && !text.includes('\\z')) return text
  return text.replace(TOKEN, (token) => (token[0] === '"' || token[0] === "'" ? translated(token) : token))
}

function translated(token: string): string {
  let lines = ''
  const inner = token.replace(ESCAPE, (all, hex: string | undefined, blanks: string | undefined) => {
    if (hex !== undefined) return `\\${String(Number.parseInt(hex, 16)).padStart(3, '0')}`
    if (blanks === undefined) return all
    lines += blanks.replaceAll(/[^\n]/g, '')
    return ''
  })
  return inner + lines
}
