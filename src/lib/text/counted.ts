import { countText } from './duration.ts'

/** Returns a number with its noun in the right form: `1 record`, `8,408 records`. */
export function counted(n: number, noun: string, plural = `${noun}s`): string {
  return `${countText(n)} ${n === 1 ? noun : plural}`
}
