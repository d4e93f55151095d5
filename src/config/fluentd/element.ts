import type { SourceLocation } from '../../core/error.ts'

/** A section of a fluentd file with what is in it, nothing interpreted yet: `<match a.**> ... </match>`. */
export interface Element {
  /** Name as written; empty for the file itself. */
  name: string
  /** Text after the name: the tag patterns of a match, the chunk keys of a buffer. */
  argument: string
  location: SourceLocation
  argumentLocation: SourceLocation
  attributes: Attribute[]
  children: Element[]
}

export interface Attribute {
  name: string
  /** Name in the file, where that is an old one. */
  written?: string
  /** Value without quotation marks, expressions evaluated; undefined: it is as if the attribute were not there. */
  value: string | undefined
  /** Environment variables in the value, as written. */
  variables?: string[]
  /** Value with variables of ours in place of these. */
  source?: string
  location: SourceLocation
  valueLocation: SourceLocation
}

export function newElement(name: string, argument: string, location: SourceLocation): Element {
  return { name, argument, location, argumentLocation: location, attributes: [], children: [] }
}

/** Returns the attribute of this name that counts, which is the last one. */
export function attributeOf(element: Element, name: string): Attribute | undefined {
  return element.attributes.findLast((attribute) => attribute.name === name)
}

/** Returns the value of an attribute; undefined when it is not given. */
export function textOf(element: Element, name: string): string | undefined {
  return attributeOf(element, name)?.value
}

export function childrenOf(element: Element, name: string): Element[] {
  return element.children.filter((child) => child.name === name)
}

/** Returns the first section of this name, as for sections that may be given once. */
export function childOf(element: Element, name: string): Element | undefined {
  return element.children.find((child) => child.name === name)
}

/** Returns the attribute that names the plugin: `@type`, or `type` in files of fluentd 0.12 and older. */
export function typeOf(element: Element): Attribute | undefined {
  return attributeOf(element, '@type') ?? attributeOf(element, 'type')
}
