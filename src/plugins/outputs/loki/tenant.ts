/** Maximum length of a tenant id in Loki. */
const MAX_TENANT_BYTES = 150

export const TENANT_RULE = "a tenant: letters, digits and ! - _ . * ' ( ), at most 150"

/** Returns true for a name of a tenant that Loki takes (several of them are separated by a bar). It is the value of a header. */
export function isTenant(text: string): boolean {
  return text.length <= MAX_TENANT_BYTES && /^[\w!\-.*'()|]+$/.test(text) && !/^\.\.?$/.test(text)
}

/** An empty text in quotation marks, which fluent-bit sends as it is to a Loki without tenants. */
export const EMPTY = '""'

/** Returns the tenant that an option names; empty without one. */
export function tenantOf(text: string | undefined): string {
  return text === undefined || text === EMPTY ? '' : text
}
