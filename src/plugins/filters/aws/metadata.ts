import { ShipperError } from '../../../core/error.ts'
import type { Imds } from '../../../lib/aws/imds.ts'
import type { AwsOptions } from './options.ts'

const META_DATA = '/latest/meta-data'
const DOCUMENT_PATH = '/latest/dynamic/instance-identity/document'
const TAGS_PATH = `${META_DATA}/tags/instance`
/** Maximum number of tags; an instance has at most 50. */
const MAX_TAGS = 100
/** Maximum lengths of a tag are 128 and 256 characters. */
const MAX_VALUE_CHARS = 1024
const MAC = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i

type Pairs = Map<string, string>

/** Something to ask for; `fetch` resolves with the fields that come of it. */
interface Item {
  name: string
  fetch(imds: Imds, signal: AbortSignal): Promise<Pairs>
}

/** What an instance says of itself, as far as it is known: what was fetched once does not change. */
export class InstanceMetadata {
  readonly #items: readonly Item[]
  readonly #known: (Pairs | undefined)[]

  constructor(options: AwsOptions) {
    this.#items = itemsOf(options)
    this.#known = this.#items.map(() => undefined)
  }

  /** True when nothing is missing. */
  get isComplete(): boolean {
    return this.#known.every((pairs) => pairs !== undefined)
  }

  /** Fields of records, in fluent-bit's order; of two with one name the later. */
  get pairs(): Pairs {
    const all: Pairs = new Map()
    for (const pairs of this.#known) {
      for (const [key, value] of pairs ?? []) {
        all.delete(key)
        all.set(key, value)
      }
    }
    return all
  }

  /** Names of what is missing. */
  get missing(): string[] {
    return this.#items.filter((_, i) => this.#known[i] === undefined).map(({ name }) => name)
  }

  /**
   * Asks for everything that is missing, one after the other. Rejects with the first failure, after having asked for the rest
   * as well, unless the service did not answer. `onAnswer` is called after each answer, with which `pairs` has more.
   */
  async fetch(imds: Imds, signal: AbortSignal, onAnswer: () => void): Promise<void> {
    let failure: unknown
    for (const [i, item] of this.#items.entries()) {
      if (this.#known[i] !== undefined) continue
      try {
        this.#known[i] = await item.fetch(imds, signal)
        onAnswer()
      } catch (error) {
        failure ??= error
        if (!(error instanceof ShipperError) || error.code === 'E_PEER_UNREACHABLE') break
      }
    }
    if (failure !== undefined) throw failure
  }
}

function itemsOf(options: AwsOptions): Item[] {
  const text = (key: string, path: string): Item => ({
    name: key,
    fetch: async (imds, signal) => new Map([[key, await valueAt(imds, `${META_DATA}/${path}`, signal)]]),
  })
  const items: [boolean, Item][] = [
    [options.az, text('az', 'placement/availability-zone')],
    [options.ec2InstanceId, text('ec2_instance_id', 'instance-id')],
    [options.ec2InstanceType, text('ec2_instance_type', 'instance-type')],
    [options.privateIp, text('private_ip', 'local-ipv4')],
    [options.vpcId, { name: 'vpc_id', fetch: fetchVpc }],
    [options.amiId, text('ami_id', 'ami-id')],
    [
      options.accountId,
      { name: 'account_id', fetch: (imds, signal) => fetchAccount('account_id', imds, signal) },
    ],
    [options.hostname, text('hostname', 'hostname')],
    [options.tagsEnabled, { name: 'tags', fetch: (imds, signal) => fetchTags(options, imds, signal) }],
    [options.enableEntity, text('aws_entity_ec2_instance_id', 'instance-id')],
    [
      options.enableEntity,
      {
        name: 'aws_entity_account_id',
        fetch: (imds, signal) => fetchAccount('aws_entity_account_id', imds, signal),
      },
    ],
  ]
  return items.filter(([isWanted]) => isWanted).map(([, item]) => item)
}

async function valueAt(imds: Imds, path: string, signal: AbortSignal): Promise<string> {
  const text = await imds.get(path, signal)
  if (text === undefined) throw unexpected(path, 'there is none')
  return checked(path, text)
}

/** Returns a value that is one line of a reasonable length. */
function checked(path: string, text: string): string {
  if (text === '' || text.length > MAX_VALUE_CHARS || /[\p{Cc}\ufffd]/u.test(text))
    throw unexpected(path, 'the answer is not one line of text')
  return text
}

async function fetchVpc(imds: Imds, signal: AbortSignal): Promise<Pairs> {
  const mac = await valueAt(imds, `${META_DATA}/mac`, signal)
  if (!MAC.test(mac)) throw unexpected(`${META_DATA}/mac`, 'the answer is not the address of an interface')
  const path = `${META_DATA}/network/interfaces/macs/${mac}/vpc-id`
  return new Map([['vpc_id', await valueAt(imds, path, signal)]])
}

async function fetchAccount(key: string, imds: Imds, signal: AbortSignal): Promise<Pairs> {
  const document = await imds.get(DOCUMENT_PATH, signal)
  if (document === undefined) throw unexpected(DOCUMENT_PATH, 'there is none')
  let parsed: unknown
  try {
    parsed = JSON.parse(document)
  } catch {
    throw unexpected(DOCUMENT_PATH, 'the answer is not JSON')
  }
  const account = (parsed as { accountId?: unknown } | null)?.accountId
  if (typeof account !== 'string') throw unexpected(DOCUMENT_PATH, 'the answer has no accountId')
  return new Map([[key, checked(DOCUMENT_PATH, account)]])
}

/** Resolves with the tags that are wanted. Without any, or where they are not part of the metadata, there are none (404). */
async function fetchTags(options: AwsOptions, imds: Imds, signal: AbortSignal): Promise<Pairs> {
  const { tagsInclude, tagsExclude } = options
  const list = await imds.get(TAGS_PATH, signal)
  const names = (list ?? '').split('\n').filter((name) => name !== '')
  if (names.length > MAX_TAGS) throw unexpected(TAGS_PATH, `there are more than ${MAX_TAGS} tags`)
  const isWanted = (name: string): boolean =>
    tagsInclude?.includes(name) ?? !(tagsExclude ?? []).includes(name)
  const tags: Pairs = new Map()
  for (const name of names.filter(isWanted)) {
    const path = `${TAGS_PATH}/${encodeURIComponent(checked(TAGS_PATH, name))}`
    const value = await imds.get(path, signal)
    // The tag was removed after the list was made. A tag may have an empty value.
    if (value !== undefined) tags.set(name, value === '' ? '' : checked(path, value))
  }
  return tags
}

function unexpected(path: string, reason: string): ShipperError {
  return new ShipperError('E_PEER_PROTOCOL', `GET ${path}: ${reason}`, { retryable: true })
}
