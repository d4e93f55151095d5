import { textHead, textLength } from '../../core/msgpack/record.ts'
import type { JsonText } from '../json/msgpack-to-json.ts'
import { RecordAccessor } from '../records/accessor.ts'

/** Fields of a record with its entity, as the filters of fluent-bit add them. */
const FIELDS = {
  service: "$kubernetes['aws_entity_service_name']",
  environment: "$kubernetes['aws_entity_environment']",
  cluster: "$kubernetes['aws_entity_cluster']",
  workload: "$kubernetes['aws_entity_workload']",
  source: "$kubernetes['aws_entity_name_source']",
  platform: "$kubernetes['aws_entity_platform']",
  namespace: "$kubernetes['namespace_name']",
  node: "$kubernetes['host']",
  instance: '$aws_entity_ec2_instance_id',
  account: '$aws_entity_account_id',
} as const

/** Fields that are not sent with the record. */
export const ENTITY_KEYS = ['aws_entity_ec2_instance_id', 'aws_entity_account_id']

const MAX_VALUE_BYTES = 512

const PLATFORMS: Record<string, { type: string; cluster: string }> = {
  eks: { type: 'AWS::EKS', cluster: 'EKS.Cluster' },
  k8s: { type: 'K8s', cluster: 'K8s.Cluster' },
}

/** Builds the entities of records: the names of a service and its environment. */
export class Entities {
  readonly #accessors = Object.entries(FIELDS).map(
    ([name, path]) => [name as keyof typeof FIELDS, RecordAccessor.parse(path)] as const,
  )
  /** The values of the last record, and its entity. */
  #last = ''
  #json = ''

  /** Appends the entity of a record as JSON; nothing when it has none. */
  write(out: JsonText, buf: Buffer, map: number, end: number): void {
    const values: Partial<Record<keyof typeof FIELDS, string>> = {}
    let all = ''
    for (const [name, accessor] of this.#accessors) {
      const at = accessor.find(buf, map, end)
      const head = at < 0 ? -1 : textHead(buf, at)
      const length = head > 0 ? textLength(buf, at) : 0
      if (length === 0 || length > MAX_VALUE_BYTES) continue
      const value = buf.toString('utf8', at + head, at + head + length)
      values[name] = value
      all += `${name}=${value}\n`
    }
    if (all !== this.#last) {
      this.#last = all
      this.#json = entityOf(values)
    }
    out.raw(this.#json)
  }
}

/** Returns the entity as JSON; empty without a service or an account, with which the service refuses it. */
function entityOf(values: Partial<Record<keyof typeof FIELDS, string>>): string {
  const { workload, platform, cluster, namespace, account, node, instance } = values
  const isWorkload = values.service === undefined && values.source === undefined && workload !== undefined
  const service = isWorkload ? workload : values.service
  if (service === undefined || account === undefined) return ''
  const isPlaced = platform !== undefined && cluster !== undefined && namespace !== undefined
  const known = PLATFORMS[platform ?? '']
  const attributes =
    platform === undefined
      ? { PlatformType: 'Generic' }
      : known === undefined
        ? {}
        : { PlatformType: known.type, [known.cluster]: cluster }
  return JSON.stringify({
    keyAttributes: {
      ...{ Type: 'Service', Name: service },
      Environment: values.environment ?? (isPlaced ? `${platform}:${cluster}/${namespace}` : undefined),
      AwsAccountId: account,
    },
    attributes: {
      ...attributes,
      ...{ 'K8s.Namespace': namespace, 'K8s.Node': node, 'K8s.Workload': workload },
      ...{ 'EC2.InstanceId': instance, 'AWS.ServiceNameSource': isWorkload ? 'K8sWorkload' : values.source },
    },
  })
}
