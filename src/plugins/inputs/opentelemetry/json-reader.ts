import type { HttpAnswer } from '../../../lib/http-input/answers.ts'
import type { EntryBlocks } from '../../../lib/http-input/entry-blocks.ts'
import type { RecordReader } from '../../../lib/http-input/received-request.ts'
import { RefusedRequest } from '../../../lib/http-input/refused-request.ts'
import { skipBlanks } from '../../../lib/json/json-to-msgpack.ts'
import { JsonWalker, skipJson } from '../../../lib/json/skip-json.ts'
import { type Source, writeResource, writeScope } from './json-group.ts'
import { isKey, nameOf } from './json-names.ts'
import { JsonRecord } from './json-record.ts'
import { type JsonCodec, JsonText, REFUSAL } from './json-text.ts'
import { BadRecord, type JsonValues } from './json-values.ts'
import { ENTRY_BYTES, type LogFrame } from './log-entry.ts'
import { LogGroup } from './log-group.ts'

const TURN_BYTES = 500_000
const OPEN_LIST = 0x5b

const NAMES = {
  resourceLogs: nameOf('resourceLogs'),
  resource: nameOf('resource'),
  scopeLogs: nameOf('scopeLogs'),
  scope: nameOf('scope'),
  logRecords: nameOf('logRecords'),
  schemaUrl: nameOf('schemaUrl'),
}

/** Records of a request that were not accepted, and why the first of them was not. */
export interface Rejected {
  rejected: number
  records: number
  reason: string
}

/** What the records of a request in JSON have in common. */
interface JsonLogFrame extends LogFrame {
  /** Returns the answer when some records are accepted and others are not. */
  partial(rejected: Rejected): HttpAnswer
}

/**
 * Reads an ExportLogsServiceRequest of JSON:
 *
 * ```
 *   request  { "resourceLogs": [ { "resource": {"attributes": pairs}, "schemaUrl": "",
 *              "scopeLogs": [ { "scope": {"name": "", "version": "", "attributes": pairs}, "schemaUrl": "", "logRecords": [ ... ] } ] } ] }
 * ```
 * The text is walked; one record at a time becomes MessagePack, and from that an entry. A record with an id, time, attribute or body
 * that cannot be read is rejected, the others are accepted, unless it is the only one. As in the JSON mapping of protobuf, names may be
 * written with underscores, and null is what is not there; a list of records that is there twice is refused, as one would be lost.
 */
export class JsonReader implements RecordReader {
  readonly #frame: JsonLogFrame
  readonly #values: JsonValues
  readonly #text: JsonText
  readonly #record: JsonRecord
  readonly #walkers = { root: new JsonWalker(), resources: new JsonWalker(), scopes: new JsonWalker() }
  readonly #records = new JsonWalker()
  readonly #members = new JsonWalker()
  #level: 'root' | 'resources' | 'scopes' | 'records' = 'root'
  #hasResourceLogs = false
  #resourceId = -1
  #scopeId = -1
  readonly #resource: Source = { at: -1, url: -1 }
  readonly #scope: Source = { at: -1, url: -1 }
  /** The group of the current scope, once it has a record. */
  readonly #group = new LogGroup()
  #hasGroup = false
  /** True when the record at the walker could not be written yet. */
  #isHeld = false
  #accepted = 0
  #rejected = 0
  #reason = ''

  constructor(frame: JsonLogFrame, codec: JsonCodec) {
    this.#frame = frame
    this.#values = codec.values
    this.#text = new JsonText(codec)
    this.#record = new JsonRecord(frame, codec.values)
  }

  get answer(): HttpAnswer {
    const { answer } = this.#frame
    const rejected = this.#rejected
    return rejected === 0
      ? answer
      : this.#frame.partial({ rejected, records: this.#accepted + rejected, reason: this.#reason })
  }

  begin(buf: Buffer, start: number, end: number): void {
    const text = this.#text
    text.begin(buf, start, end)
    if (text.start >= end || !text.isObject(text.start)) throw text.bad(text.start, 'there is no object')
    this.#walkers.root.begin(buf, text.start, end)
    this.#level = 'root'
    this.#hasResourceLogs = this.#isHeld = false
    this.#resourceId = -1
    this.#accepted = this.#rejected = 0
    this.#group.reset()
  }

  read(out: EntryBlocks): 'done' | 'more' | 'memory' {
    let left = TURN_BYTES
    try {
      while (left > 0) {
        const before = this.#at
        if (this.#level === 'records') {
          if (!this.#readRecord(out)) return 'memory'
        } else if (this.#level === 'scopes') this.#readScope()
        else if (this.#level === 'resources') this.#readResource()
        else if (!this.#readRoot()) return this.#finish()
        left -= Math.max(1, this.#at - before)
      }
    } finally {
      this.#text.release(out)
    }
    return 'more'
  }

  get #at(): number {
    return this.#level === 'records' ? this.#records.end : this.#walkers[this.#level].end
  }

  #finish(): 'done' {
    const text = this.#text
    const { root } = this.#walkers
    if (!this.#hasResourceLogs) throw text.bad(root.end, 'there is no resourceLogs')
    if (skipBlanks(text.buf, root.end, text.end) < text.end) throw text.bad(root.end, 'the object has ended')
    if (this.#rejected > 0 && this.#accepted === 0)
      throw new RefusedRequest(400, 'malformed', REFUSAL, `every record is rejected: ${this.#reason}`)
    return 'done'
  }

  /** Goes to the next member of the request; false at its end. */
  #readRoot(): boolean {
    const text = this.#text
    const { root, resources } = this.#walkers
    if (!root.next(false)) {
      if (root.isBad) throw text.bad(root.end, 'there is no JSON')
      return false
    }
    if (this.#isKey(root, NAMES.resourceLogs)) {
      if (this.#hasResourceLogs) throw text.unwanted(root.start, 'resourceLogs is there twice')
      this.#hasResourceLogs = true
      if (this.#enter(resources, root.start, 'resourceLogs')) {
        this.#level = 'resources'
        return true
      }
    }
    const stop = skipJson(text.buf, root.start, text.end)
    if (stop < 0) throw text.bad(root.start, 'there is no JSON')
    root.passed(stop)
    return true
  }

  #readResource(): void {
    const text = this.#text
    const { root, resources, scopes } = this.#walkers
    if (!resources.next(false)) {
      if (resources.isBad) throw text.bad(resources.end, 'resourceLogs has no end')
      root.passed(resources.end)
      this.#level = 'root'
      return
    }
    this.#resourceId++
    this.#scopeId = -1
    this.#group.resource.length = -1
    const scopeLogs = this.#readMembers(resources, 'scopeLogs', NAMES.resource, this.#resource)
    if (scopeLogs < 0) throw text.bad(resources.start, 'there is no scopeLogs')
    if (this.#enter(scopes, scopeLogs, 'scopeLogs')) this.#level = 'scopes'
  }

  #readScope(): void {
    const { scopes } = this.#walkers
    if (!scopes.next(false)) {
      if (scopes.isBad) throw this.#text.bad(scopes.end, 'scopeLogs has no end')
      this.#level = 'resources'
      return
    }
    this.#scopeId++
    this.#group.scope.length = -1
    this.#hasGroup = false
    const logRecords = this.#readMembers(scopes, 'logRecords', NAMES.scope, this.#scope)
    if (logRecords >= 0 && this.#enter(this.#records, logRecords, 'logRecords')) this.#level = 'records'
  }

  /** Reads the members of the object at a walker, and goes on after it; returns the offset of the list among them, -1: none. */
  #readMembers(walker: JsonWalker, list: keyof typeof NAMES, object: Buffer, source: Source): number {
    const text = this.#text
    const members = this.#members
    let found = -1
    source.at = source.url = -1
    if (!text.isObject(walker.start)) throw text.bad(walker.start, 'there is no object')
    members.begin(text.buf, walker.start, text.end)
    while (members.next())
      if (this.#isKey(members, NAMES[list])) {
        if (found >= 0) throw text.unwanted(members.start, `${list} is there twice`)
        found = members.start
      } else if (this.#isKey(members, object)) source.at = members.start
      else if (this.#isKey(members, NAMES.schemaUrl)) source.url = members.start
    if (members.isBad) throw text.bad(members.start, 'the object has no end')
    walker.passed(members.end)
    return found
  }

  /** Goes to the next record and writes it; false when there is no memory for it. */
  #readRecord(out: EntryBlocks): boolean {
    const text = this.#text
    const records = this.#records
    if (!this.#isHeld && !records.next(false)) {
      if (records.isBad) throw text.bad(records.end, 'logRecords has no end')
      this.#level = 'scopes'
      return true
    }
    this.#isHeld =
      !(this.#hasGroup || this.#makeGroup(out)) || !text.make(records.start, out) || !this.#write(out)
    if (!this.#isHeld) records.passed(text.stop)
    return !this.#isHeld
  }

  #write(out: EntryBlocks): boolean {
    const { bodyKey, tag, tagOf } = this.#frame
    const { msgpack, length, start, end } = this.#text
    const needed = ENTRY_BYTES + (bodyKey?.length ?? 0) + length + this.#group.bytesIn(out)
    if (!out.reserve(needed, 2 * (end - start))) return false
    const at = out.at
    try {
      const body = this.#record.write(msgpack, length, this.#group, out)
      out.add(tagOf?.(out.buf, body, out.at) ?? tag, true)
      this.#accepted++
    } catch (error) {
      if (!(error instanceof BadRecord)) throw error
      out.at = at
      if (this.#rejected === 0) this.#reason = error.message
      this.#rejected++
    }
    return true
  }

  /** Encodes what the records of the scope have in common; false when there is no memory for it. */
  #makeGroup(out: EntryBlocks): boolean {
    const { resource, scope } = this.#group
    const text = this.#text
    const values = this.#values
    try {
      if (resource.length < 0 && !writeResource(resource, this.#resource, text, values, out)) return false
      if (!writeScope(scope, this.#scope, text, values, out)) return false
    } catch (error) {
      if (error instanceof BadRecord)
        throw text.bad(this.#records.start, `there is a wrong resource or scope: ${error.message}`)
      throw error
    }
    this.#group.begin(this.#resourceId, this.#scopeId)
    this.#hasGroup = true
    return true
  }

  /** Begins with the list at `start`; false for null. */
  #enter(walker: JsonWalker, start: number, what: string): boolean {
    const text = this.#text
    if (text.isNull(start)) return false
    if (text.buf[start] !== OPEN_LIST) throw text.bad(start, `${what} is no list`)
    walker.begin(text.buf, start, text.end)
    return true
  }

  #isKey({ keyStart, keyEnd }: JsonWalker, name: Buffer): boolean {
    return isKey(this.#text.buf, keyStart, keyEnd, name)
  }
}
