/**
 * The API fields that manifests here may have, with their types. Like an API server with strict validation, the check
 * rejects misspelled fields. From the API reference, v1.36; add a field here before its first use.
 */
export type Schema =
  | 'string'
  | 'integer'
  | 'boolean'
  /** An integer, a number with a unit, or a percentage. */
  | 'quantity'
  | 'port'
  | { map: Schema }
  | { list: Schema }
  | { values: readonly (string | number)[] }
  | { required?: readonly string[]; fields: { [name: string]: Schema } }

const strings: Schema = { map: 'string' }
const words: Schema = { list: 'string' }

const METADATA: Schema = {
  required: ['name'],
  fields: { name: 'string', namespace: 'string', labels: strings, annotations: strings },
}
const PROBE: Schema = {
  fields: {
    httpGet: { required: ['port'], fields: { path: 'string', port: 'port', scheme: 'string' } },
    initialDelaySeconds: 'integer',
    periodSeconds: 'integer',
    timeoutSeconds: 'integer',
    failureThreshold: 'integer',
    successThreshold: 'integer',
  },
}
const ENV: Schema = {
  required: ['name'],
  fields: {
    name: 'string',
    value: 'string',
    valueFrom: {
      fields: {
        fieldRef: { required: ['fieldPath'], fields: { fieldPath: 'string', apiVersion: 'string' } },
        secretKeyRef: {
          required: ['name', 'key'],
          fields: { name: 'string', key: 'string', optional: 'boolean' },
        },
      },
    },
  },
}
const PROTOCOL: Schema = { values: ['TCP', 'UDP'] }
const CONTAINER: Schema = {
  required: ['name', 'image'],
  fields: {
    name: 'string',
    image: 'string',
    imagePullPolicy: { values: ['Always', 'IfNotPresent', 'Never'] },
    args: words,
    env: { list: ENV },
    ports: {
      list: {
        required: ['containerPort'],
        fields: { name: 'string', containerPort: 'integer', hostPort: 'integer', protocol: PROTOCOL },
      },
    },
    resources: { fields: { requests: { map: 'quantity' }, limits: { map: 'quantity' } } },
    securityContext: {
      fields: {
        allowPrivilegeEscalation: 'boolean',
        privileged: 'boolean',
        readOnlyRootFilesystem: 'boolean',
        runAsUser: 'integer',
        runAsGroup: 'integer',
        runAsNonRoot: 'boolean',
        capabilities: { fields: { drop: words, add: words } },
      },
    },
    lifecycle: {
      fields: { preStop: { fields: { sleep: { required: ['seconds'], fields: { seconds: 'integer' } } } } },
    },
    livenessProbe: PROBE,
    readinessProbe: PROBE,
    volumeMounts: {
      list: {
        required: ['name', 'mountPath'],
        fields: { name: 'string', mountPath: 'string', readOnly: 'boolean', subPath: 'string' },
      },
    },
  },
}
const VOLUME: Schema = {
  required: ['name'],
  fields: {
    name: 'string',
    configMap: { fields: { name: 'string', defaultMode: 'integer', optional: 'boolean' } },
    secret: { fields: { secretName: 'string', defaultMode: 'integer', optional: 'boolean' } },
    emptyDir: { fields: { medium: 'string', sizeLimit: 'quantity' } },
    hostPath: {
      required: ['path'],
      fields: {
        path: 'string',
        type: {
          values: ['', 'DirectoryOrCreate', 'Directory', 'FileOrCreate', 'File', 'Socket', 'CharDevice'],
        },
      },
    },
  },
}
const POD_SPEC: Schema = {
  required: ['containers'],
  fields: {
    serviceAccountName: 'string',
    priorityClassName: 'string',
    terminationGracePeriodSeconds: 'integer',
    nodeSelector: strings,
    imagePullSecrets: { list: { fields: { name: 'string' } } },
    tolerations: {
      list: {
        fields: {
          key: 'string',
          operator: { values: ['Exists', 'Equal'] },
          value: 'string',
          effect: { values: ['NoSchedule', 'PreferNoSchedule', 'NoExecute'] },
        },
      },
    },
    securityContext: {
      fields: {
        runAsUser: 'integer',
        runAsGroup: 'integer',
        runAsNonRoot: 'boolean',
        fsGroup: 'integer',
        supplementalGroups: { list: 'integer' },
        seccompProfile: {
          required: ['type'],
          fields: { type: { values: ['RuntimeDefault', 'Unconfined'] } },
        },
      },
    },
    containers: { list: CONTAINER },
    volumes: { list: VOLUME },
  },
}
const TEMPLATE: Schema = {
  required: ['spec'],
  fields: { metadata: { fields: { labels: strings, annotations: strings } }, spec: POD_SPEC },
}
const CLAIM: Schema = {
  fields: {
    metadata: METADATA,
    spec: {
      fields: {
        accessModes: { list: { values: ['ReadWriteOnce', 'ReadWriteOncePod', 'ReadWriteMany'] } },
        storageClassName: 'string',
        resources: { fields: { requests: { map: 'quantity' }, limits: { map: 'quantity' } } },
      },
    },
  },
}
const TYPE = { apiVersion: 'string', kind: 'string', metadata: METADATA } as const

export const KINDS: Record<string, { apiVersion: string; schema: Schema }> = {
  Namespace: { apiVersion: 'v1', schema: { fields: TYPE } },
  ServiceAccount: {
    apiVersion: 'v1',
    schema: { fields: { ...TYPE, automountServiceAccountToken: 'boolean' } },
  },
  ResourceQuota: {
    apiVersion: 'v1',
    schema: {
      fields: {
        ...TYPE,
        spec: {
          fields: {
            hard: { map: 'quantity' },
            scopeSelector: {
              fields: {
                matchExpressions: {
                  list: {
                    required: ['scopeName', 'operator'],
                    fields: {
                      scopeName: { values: ['PriorityClass', 'Terminating', 'NotTerminating', 'BestEffort'] },
                      operator: { values: ['In', 'NotIn', 'Exists', 'DoesNotExist'] },
                      values: words,
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
  Service: {
    apiVersion: 'v1',
    schema: {
      fields: {
        ...TYPE,
        spec: {
          fields: {
            selector: strings,
            clusterIP: 'string',
            internalTrafficPolicy: { values: ['Cluster', 'Local'] },
            ports: {
              list: {
                required: ['port'],
                fields: { name: 'string', port: 'integer', targetPort: 'port', protocol: PROTOCOL },
              },
            },
          },
        },
      },
    },
  },
  ConfigMap: { apiVersion: 'v1', schema: { fields: { ...TYPE, data: strings } } },
  ClusterRole: {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    schema: {
      fields: {
        ...TYPE,
        rules: {
          list: {
            required: ['verbs'],
            fields: { apiGroups: words, resources: words, verbs: words, resourceNames: words },
          },
        },
      },
    },
  },
  ClusterRoleBinding: {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    schema: {
      required: ['roleRef'],
      fields: {
        ...TYPE,
        roleRef: {
          required: ['apiGroup', 'kind', 'name'],
          fields: { apiGroup: 'string', kind: 'string', name: 'string' },
        },
        subjects: {
          list: {
            required: ['kind', 'name'],
            fields: { kind: 'string', name: 'string', namespace: 'string', apiGroup: 'string' },
          },
        },
      },
    },
  },
  StatefulSet: {
    apiVersion: 'apps/v1',
    schema: {
      required: ['spec'],
      fields: {
        ...TYPE,
        spec: {
          required: ['selector', 'template', 'serviceName'],
          fields: {
            replicas: 'integer',
            serviceName: 'string',
            selector: { fields: { matchLabels: strings } },
            template: TEMPLATE,
            volumeClaimTemplates: { list: CLAIM },
          },
        },
      },
    },
  },
  DaemonSet: {
    apiVersion: 'apps/v1',
    schema: {
      required: ['spec'],
      fields: {
        ...TYPE,
        spec: {
          required: ['selector', 'template'],
          fields: {
            selector: { fields: { matchLabels: strings } },
            minReadySeconds: 'integer',
            updateStrategy: {
              fields: {
                type: { values: ['RollingUpdate', 'OnDelete'] },
                rollingUpdate: { fields: { maxUnavailable: 'quantity', maxSurge: 'quantity' } },
              },
            },
            template: TEMPLATE,
          },
        },
      },
    },
  },
}

const QUANTITY = /^\d+(\.\d+)?(m|Ki|Mi|Gi|k|M|G|%)?$/

/** Returns what an API server would reject in the object; empty for a valid one. */
export function schemaViolations(object: unknown): string[] {
  const { kind, apiVersion } = (object ?? {}) as { kind?: string; apiVersion?: string }
  const known = KINDS[kind ?? '']
  if (known === undefined) return [`unknown kind ${kind}`]
  if (apiVersion !== known.apiVersion)
    return [`${kind} has apiVersion ${known.apiVersion}, not ${apiVersion}`]
  return check(object, known.schema, kind ?? '')
}

function check(value: unknown, schema: Schema, at: string): string[] {
  if (typeof schema === 'string')
    return isOfType(value, schema) ? [] : [`${at}: ${JSON.stringify(value)} is not of type ${schema}`]
  if ('values' in schema)
    return schema.values.includes(value as string) ? [] : [`${at}: ${String(value)} is not an allowed value`]
  if ('list' in schema) {
    if (!Array.isArray(value)) return [`${at} is not a list`]
    return value.flatMap((item, i) => check(item, schema.list, `${at}[${i}]`))
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${at} is not an object`]
  const entries = Object.entries(value)
  if ('map' in schema) return entries.flatMap(([key, item]) => check(item, schema.map, `${at}.${key}`))
  const missing = (schema.required ?? [])
    .filter((name) => !(name in value))
    .map((name) => `${at}.${name} is missing`)
  const found = entries.flatMap(([name, item]) => {
    const field = schema.fields[name]
    return field === undefined ? [`${at}.${name} is not a field`] : check(item, field, `${at}.${name}`)
  })
  return [...missing, ...found]
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'port') return Number.isInteger(value) || typeof value === 'string'
  if (type === 'quantity')
    return Number.isInteger(value) || (typeof value === 'string' && QUANTITY.test(value))
  return typeof value === type
}
