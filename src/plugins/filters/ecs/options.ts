import { checkHost } from '../../../core/options/checks.ts'
import { defineOptions, type OptionsOf } from '../../../core/options/option.ts'
import { checkTemplate } from './template.ts'

export const ECS_OPTIONS = defineOptions({
  add: {
    type: 'slist',
    words: 2,
    form: 'KEY TEMPLATE, e.g. `cluster $ClusterName`',
    repeat: true,
    check: checkTemplate,
    help: 'Add KEY with the text TEMPLATE, in which variables are replaced: `Add task $TaskDefinitionFamily:$TaskDefinitionVersion`.',
  },
  ecs_tag_prefix: {
    type: 'string',
    default: '',
    help: 'Prefix of the tag. The next 12 characters are the short id of the container.',
  },
  cluster_metadata_only: {
    type: 'bool',
    default: 'off',
    help: 'Add only fields of the cluster and the machine, and ask for no task. For logs that are not those of containers.',
  },
  ecs_meta_cache_ttl: {
    type: 'time',
    default: '1h',
    min: 1000,
    help: 'Ask for a container again after this time.',
  },
  ecs_meta_host: {
    type: 'string',
    default: '127.0.0.1',
    check: checkHost,
    help: 'Host of the introspection endpoint of the ECS agent.',
  },
  ecs_meta_port: {
    type: 'int',
    default: '51678',
    min: 1,
    max: 65_535,
    help: 'Port of the introspection endpoint.',
  },
  agent_endpoint_retries: {
    type: 'int',
    default: '2',
    min: 1,
    max: 100,
    help: 'Number of answers without a task after which the agent is not asked for a container until Ecs_Meta_Cache_TTL has passed: it belongs to none.',
  },
})

export type EcsOptions = OptionsOf<typeof ECS_OPTIONS>
