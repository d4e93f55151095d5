import { formatLocation } from '../core/error.ts'
import type { Property, Section, Tree } from './config-tree.ts'

/** A text in another format, and what it does not have of the tree, each with its place. */
export interface WrittenTree {
  text: string
  lost: string[]
}

/** Returns the value as it was written, before variables were expanded in it. */
export function writtenValue({ value, written }: Property): string {
  return written ?? value
}

/** Returns the sections of one name, in their order. */
export function sectionsNamed({ sections }: Tree, name: string): Section[] {
  return sections.filter((section) => section.name.toUpperCase() === name)
}

/** Says that something at this place was not carried over. */
export function lostAt({ location }: Pick<Section, 'location'>, what: string): string {
  return `${formatLocation(location)}: ${what}`
}
