const BLANKS = /\s+/

/** Wraps `text` to lines of at most `width` characters, indented by `indent` blanks; a longer word gets its own line. */
export function wrap(text: string, width: number, indent: number): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.trim().split(BLANKS)) {
    if (line !== '' && indent + line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  if (line !== '') lines.push(line)
  return lines.map((content) => `${' '.repeat(indent)}${content}\n`).join('')
}

/** Returns the number of columns for help texts. Loads the streams of the runtime. */
export function terminalWidth(): number {
  return Math.min(process.stdout.columns || 80, 110)
}
