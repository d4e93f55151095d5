import { expect, test } from 'bun:test'
import { apiUrl, kubeletUrl } from '../../../../../src/plugins/filters/kubernetes/api/address.ts'
import { KubeRun } from '../../../../support/kubernetes/run.ts'

test('an address of the API has a scheme, or the start ends with what to write', () => {
  for (const url of ['https://kubernetes.default.svc:443', 'http://[::1]:8001/proxy', 'HTTPS://10.0.0.1'])
    expect(apiUrl(url)).toBe(url)
  for (const kube_url of ['kubernetes.default.svc:443', 'api', '', 'ftp://api', 'https://', 'https://a b'])
    expect(() => new KubeRun(undefined, { texts: { kube_url } })).toThrow('is no address of an API server')
})

test('the host of a kubelet may be a name or an address of either kind', () => {
  expect(kubeletUrl('node-1.example', 10250)).toBe('https://node-1.example:10250')
  expect(kubeletUrl('10.0.0.9', 443)).toBe('https://10.0.0.9:443')
  expect(kubeletUrl('fd00::9', 10250)).toBe('https://[fd00::9]:10250')
  for (const kubelet_host of ['', 'a b', 'node:10250', 'https://node', 'user@node'])
    expect(() => new KubeRun(undefined, { texts: { kubelet_host } })).toThrow('is no host')
})
