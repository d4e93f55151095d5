import { expect, test } from 'bun:test'
import { checkApiUrl, kubeletUrl } from '../../../src/lib/kubernetes/address.ts'
import { KubeRun } from '../../support/kubernetes/run.ts'

test('a Kube_URL without a valid scheme and host is rejected', () => {
  for (const url of ['https://kubernetes.default.svc:443', 'http://[::1]:8001/proxy', 'HTTPS://10.0.0.1'])
    expect(checkApiUrl(url)).toBeUndefined()
  for (const kube_url of ['kubernetes.default.svc:443', 'api', '', 'ftp://api', 'https://', 'https://a b'])
    expect(() => new KubeRun(undefined, { texts: { kube_url } })).toThrow('must be the URL of an API server')
})

test('a Kube_URL with a user or a query is rejected, without showing them', () => {
  for (const kube_url of ['https://me:abcde@api:443', 'https://api/?token=abcde', 'https://abcde@api']) {
    const start = (): unknown => new KubeRun(undefined, { texts: { kube_url } })
    expect(start).toThrow('without user, query and fragment')
    expect(start).not.toThrow('abcde')
  }
})

test('Kubelet_Host may be a host name, an IPv4 or an IPv6 address', () => {
  expect(kubeletUrl('node-1.example', 10250)).toBe('https://node-1.example:10250')
  expect(kubeletUrl('10.0.0.9', 443)).toBe('https://10.0.0.9:443')
  expect(kubeletUrl('fd00::9', 10250)).toBe('https://[fd00::9]:10250')
  for (const kubelet_host of ['a b', 'node:10250', 'https://node', 'user@node'])
    expect(() => new KubeRun(undefined, { texts: { kubelet_host } })).toThrow(
      /is not a host|must be a host name/,
    )
})
