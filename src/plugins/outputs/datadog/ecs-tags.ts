import { skip } from '../../../core/msgpack/encode.ts'
import { mapBody, mapPairs, textHead, textLength } from '../../../core/msgpack/record.ts'
import { KeyTable } from '../../../lib/records/key-table.ts'

type Tag = readonly [name: string, value: string]

/** Fields that the filters aws and ecs add, and the tags that they become. */
const TAGS: Readonly<Record<string, (value: string) => Tag[]>> = {
  container_id: (value) => [['container_id', value]],
  container_name: (value) => [['container_name', value.replace(/^\//, '')]],
  container_image: (value) => [['container_image', value]],
  ecs_cluster: (value) => [['cluster_name', after(value, 'cluster/')]],
  ecs_task_definition: taskDefinition,
  ecs_task_arn: taskArn,
}
const NAMES = Object.keys(TAGS)

/** Longest value that becomes a tag, in bytes: Datadog cuts tags at 200 characters. */
const MAX_VALUE_BYTES = 4096

function taskDefinition(value: string): Tag[] {
  const colon = value.indexOf(':')
  if (colon < 0) return [['ecs_task_definition', value]]
  return [
    ['task_family', value.slice(0, colon)],
    ['task_version', value.slice(colon + 1)],
  ]
}

function taskArn(value: string): Tag[] {
  const region = /^arn:aws:ecs:([^:]*):/.exec(value)?.[1]
  return [
    ['task_arn', value],
    ...(region === undefined ? [] : [['region', region] as const]),
    ['task_id', after(value, 'task/')],
  ]
}

/** Returns what is behind the first occurrence of a text, or the whole without one. */
function after(value: string, text: string): string {
  const at = value.indexOf(text)
  return at < 0 ? value : value.slice(at + text.length)
}

/** Finds the fields that become tags: those of the table that are texts. */
export class EcsTags {
  readonly #table = new KeyTable(NAMES.map((name) => Buffer.from(name)))

  /** Returns the index of the field whose key is `buf[start, start + length)` and whose value follows, or -1. */
  find(buf: Buffer, start: number, length: number): number {
    const index = this.#table.find(buf, start, length)
    return index >= 0 && isTagValue(buf, start + length) ? index : -1
  }

  /** Returns the tags of a record, `name:value` joined by commas; empty without any. */
  of(buf: Buffer, map: number, end: number): string {
    const tags: string[] = []
    let at = mapBody(buf, map)
    for (let left = mapPairs(buf, map); left > 0; left--) {
      const value = skip(buf, at, end)
      const head = textHead(buf, at)
      const index = head > 0 ? this.find(buf, at + head, textLength(buf, at)) : -1
      if (index >= 0)
        for (const [name, text] of (TAGS[NAMES[index] as string] as (value: string) => Tag[])(
          textAt(buf, value),
        ))
          tags.push(`${name}:${text}`)
      at = skip(buf, value, end)
    }
    return tags.join(',')
  }
}

function isTagValue(buf: Buffer, at: number): boolean {
  if (textHead(buf, at) < 0) return false
  const length = textLength(buf, at)
  return length > 0 && length <= MAX_VALUE_BYTES
}

function textAt(buf: Buffer, at: number): string {
  const start = at + textHead(buf, at)
  return buf.toString('utf8', start, start + textLength(buf, at))
}
