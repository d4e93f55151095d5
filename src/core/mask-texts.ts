import { MASK } from './mask-secrets.ts'

/** Shortest text that is masked wherever it stands: a shorter one is part of any word. */
const MIN_CHARS = 4

export type Mask = (text: string) => string

/**
 * Returns a function that masks these texts in what a peer says, which may repeat what it was sent: as they are, and as they are in base64, in
 * the query of an address and in JSON.
 */
export function maskTexts(texts: Iterable<string>): Mask {
  const forms = new Set<string>()
  for (const text of texts) {
    if (text.length < MIN_CHARS) continue
    const base64 = Buffer.from(text).toString('base64')
    for (const form of [text, base64.replace(/=+$/, ''), encoded(text), JSON.stringify(text).slice(1, -1)])
      forms.add(form)
  }
  if (forms.size === 0) return (text) => text
  // A text may contain a shorter one.
  const longest = [...forms].sort((a, b) => b.length - a.length)
  return (text) => {
    let masked = text
    for (const form of longest) masked = masked.replaceAll(form, () => MASK)
    return masked
  }
}

function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed())
}
