import { skip } from '../../../../core/msgpack/encode.ts'
import { mapBody, mapPairs, spanOf } from '../../../../core/msgpack/record.ts'
import type { EntryWriter, Parser } from '../../../../core/parser.ts'
import type { ContainerRef } from './container-ref.ts'

/** Returns a function that reads tags with the user's Regex_Parser; it returns undefined without pod and namespace. */
export function tagParser(parser: Parser, prefix: string): (tag: string) => ContainerRef | undefined {
  return (tag) => {
    const text = Buffer.from(tag.startsWith(prefix) ? tag.slice(prefix.length) : tag)
    const buf = Buffer.alloc(parser.bound(text.length) + 32)
    const out: EntryWriter = { buf, at: 0, sec: 0, nsec: 0, extraPairs: 0 }
    if (!parser.parse(text, 0, text.length, out)) return undefined
    const fields = readStrings(buf, out.at)
    const pod = fields.get('pod_name')
    const namespace = fields.get('namespace_name')
    if (!pod || !namespace) return undefined
    return {
      pod,
      namespace,
      container: fields.get('container_name') || undefined,
      dockerId: fields.get('docker_id') || undefined,
      uid: fields.get('pod_id') || undefined,
      restarts: undefined,
    }
  }
}

/** Returns the string fields of the map at the start of `buf`. */
function readStrings(buf: Buffer, end: number): Map<string, string> {
  const fields = new Map<string, string>()
  let at = mapBody(buf, 0)
  for (let i = mapPairs(buf, 0); i > 0; i--) {
    const value = skip(buf, at, end)
    const [key, text] = [spanOf(buf, at), spanOf(buf, value)]
    if (key !== undefined && text !== undefined)
      fields.set(buf.toString('utf8', key.start, key.end), buf.toString('utf8', text.start, text.end))
    at = skip(buf, value, end)
  }
  return fields
}
