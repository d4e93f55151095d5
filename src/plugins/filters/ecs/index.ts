import { defineFilter } from '../../../core/plugin.ts'
import { Ecs } from './ecs.ts'
import { ECS_OPTIONS } from './options.ts'

export const spec = defineFilter({
  kind: 'filter',
  name: 'ecs',
  summary: 'Adds metadata of ECS tasks on EC2.',
  description: `Adds the fields of Add, in their order, after those of the record; they replace fields of the same name. Values are texts.

| variable | value |
|---|---|
| \`$ClusterName\`, \`$ContainerInstanceArn\`, \`$ContainerInstanceID\`, \`$ECSAgentVersion\` | of the cluster and the machine |
| \`$ContainerID\`, \`$DockerContainerName\`, \`$ECSContainerName\` | of the container |
| \`$TaskARN\`, \`$TaskID\` | of its task |
| \`$TaskDefinition\`, \`$TaskDefinitionFamily\`, \`$TaskDefinitionVersion\` | of the definition of the task: \`family:version\`, and its parts |

A field with a variable that has no value is left out (fluent-bit adds an empty text or a part of it): records whose container belongs
to no task get the fields of the cluster.

**Source.** The introspection endpoint of the ECS agent, which is there with the launch type EC2 and not on Fargate. It is asked in the
background, once for the cluster and once for each container, by the 12 characters after Ecs_Tag_Prefix in the tag, hex digits in
lower case. Failed requests are repeated without limit, after a second while lines wait, then with the records that come after ten;
only answers that the container belongs to no task count for Agent_Endpoint_Retries.

**First records.** The start waits for the cluster for at most a second; lines of files wait for the cluster, and for each
container, for at most five. Other records go on with what is known: without the cluster unchanged, without the container with the
fields of the cluster. They are counted (\`records_incomplete\`).

**Limits.** One answer: 2 s and 1 MB; a value: 2,048 characters; containers: 1,000, the one used least recently is asked for again; 4
requests at the same time. Unlike fluent-bit, the values cannot be used as variables (\`\${aws.ecs.cluster_name}\`).`,
  trial: {
    asks: ({ add }) => (add.length === 0 ? undefined : 'metadata of ECS'),
    create: (options, ctx, given) => new Ecs(options, ctx, { given }),
  },
  options: ECS_OPTIONS,
  example: `[FILTER]
    Name           ecs
    Match          *
    ECS_Tag_Prefix ecs.var.lib.docker.containers.
    Add            cluster $ClusterName
    Add            task    $TaskID
`,
  counters: {
    records_incomplete: 'records without fields of their container or of the cluster, which were not known',
    containers_unknown: 'answers of the agent that a container belongs to no task',
    agent_requests: 'requests to the ECS agent',
    agent_failures: 'requests that brought no usable answer',
  },
  keepsPlaces: () => true,
  create: (options, ctx) => new Ecs(options, ctx),
})
