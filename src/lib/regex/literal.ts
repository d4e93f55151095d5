/** Slashes around an expression delimit it, so one that begins with a slash is no literal text. */
const LITERAL = /^[\w \-:=@#%&~`"'<>,;!][\w \-/:=@#%&~`"'<>,;!]*$/

/** Returns true for an expression without special characters, which means itself and may be searched for. */
export function isLiteral(expression: string): boolean {
  return LITERAL.test(expression)
}
