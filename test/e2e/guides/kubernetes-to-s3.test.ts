import { expect } from 'bun:test'
import { Guide } from '../../support/guide.ts'
import { KubeApi } from '../../support/kubernetes/api-server.ts'
import {
  HELM_REPLACEMENTS,
  helmConfiguration,
  manifestsOf,
  startManifest,
} from '../../support/kubernetes/manifest-run.ts'
import { KubeNode } from '../../support/kubernetes/node.ts'
import { podOf } from '../../support/kubernetes/pods.ts'
import { schemaViolations } from '../../support/kubernetes/schema.ts'
import { freePorts } from '../../support/ports.ts'
import { testWithHelm } from '../../support/release/helm.ts'
import { Moto, pythonWithMoto, testWithMoto } from '../../support/stores/moto.ts'
import { until } from '../../support/until.ts'

const PAGE = 'docs/guides/kubernetes-to-s3.md'
const KEYS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test' }

/** Does what the guide asks of `aws s3`: `ls --recursive s3://BUCKET/PREFIX` and `cp --recursive s3://BUCKET/PREFIX FOLDER`. */
const S3_COMMAND = `
import boto3, os, sys
verb, where = sys.argv[1], sys.argv[3]
bucket, _, prefix = where.removeprefix('s3://').partition('/')
s3 = boto3.client('s3', endpoint_url=os.environ['MOTO'], region_name='us-east-1')
for found in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get('Contents', []):
    if verb == 'ls':
        print(found['LastModified'], found['Size'], found['Key'])
    else:
        path = os.path.join(sys.argv[4], found['Key'][len(prefix):])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        s3.download_file(bucket, found['Key'], path)
`

testWithMoto('the commands of the guide from Kubernetes to S3 run as written', async () => {
  const store = await Moto.start()
  await store.createBucket('logs-example')
  const api = await KubeApi.start()
  const node = new KubeNode(api)
  node.token = 'secret'
  const [http = 0] = await freePorts(1)
  const guide = new Guide(PAGE, {
    replacements: {
      '-p region=eu-west-1': `-p region=us-east-1 -p endpoint=${store.url}`,
      'upload_timeout=10m': 'upload_timeout=1s',
    },
    programs: {
      kubectl: 'echo "$*" >> kubectl.calls',
      aws: `case "$1" in
s3) shift; exec '${pythonWithMoto()}' s3.py "$@" ;;
*) echo "$*" >> aws.calls ;;
esac`,
    },
    env: { ...KEYS, MOTO: store.url },
  })
  guide.file('s3.py', S3_COMMAND)
  await guide.run('aws eks')
  await guide.run('shipper manifest')
  await guide.run('kubectl apply -f shipper.yaml')
  await guide.run('kubectl --namespace shipper rollout')
  const manifests = manifestsOf(guide, 'shipper.yaml')
  expect(manifests.flatMap(schemaViolations)).toEqual([])
  expect(manifests.find(({ kind }) => kind === 'ServiceAccount')).toMatchObject({
    metadata: {
      annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::123456789012:role/shipper-logs' },
    },
  })
  guide.next('helm install')

  const agent = startManifest({ guide, manifests, node, api, http, env: KEYS })
  const pods = ['web', 'db'].map((name) => api.create(podOf({ name, labels: { tier: name } })))
  for (const pod of pods) node.log(pod, 'plain', '{"level":"info","code":7}')
  const list = guide.next('aws s3 ls')
  const keys = async (): Promise<string[]> => {
    const listed = guide.launch(list)
    await listed.ended()
    return listed.stdout.split('\n').filter(Boolean)
  }
  await until(async () => (await keys()).length >= 2, { everyMs: 200, what: () => agent.stderr })
  expect((await agent.stop()).code).toBe(0)
  await guide.run('aws s3 cp')
  const lines = (await guide.run('find logs')).split('\n').filter(Boolean)
  const records = lines.map((line) => JSON.parse(line) as { kubernetes: { pod_name: string } })
  for (const pod of pods) {
    const kubernetes = { pod_name: pod.metadata.name, labels: { tier: pod.metadata.name } }
    expect(records.filter((record) => record.kubernetes.pod_name === pod.metadata.name)).toMatchObject([
      { log: 'plain\n', kubernetes },
      { level: 'info', code: 7, kubernetes },
    ])
  }
  expect(records).toHaveLength(4)
  guide.done()
})

testWithHelm(
  'the helm command of the guide generates manifests that an API server and the agent accept',
  async () => {
    const conf = await helmConfiguration(new Guide(PAGE, HELM_REPLACEMENTS))
    for (const part of ['Bucket  logs-example', 'Region  eu-west-1', '/%H/$TAG-$UUID.gz'])
      expect(conf).toContain(part)
  },
)
