import type { LinkRule } from '../../../../lib/fs/links.ts'

/** Values of Follow_Symlinks. */
export const LINK_RULES = ['on', 'same_owner', 'off'] as const satisfies readonly LinkRule[]

/**
 * Directories in which the kubelet and the container runtime make links, for logs that belong to the users of
 * the containers.
 */
const CONTAINER_LOGS = ['/var/log/containers', '/var/log/pods']

/** Returns the rule for the links of a path. `given`: the value of Follow_Symlinks, which holds for all paths. */
export function linkRuleOf(given: LinkRule | undefined): (path: string) => LinkRule {
  if (given !== undefined) return () => given
  return (path) =>
    CONTAINER_LOGS.some((folder) => path === folder || path.startsWith(`${folder}/`)) ? 'on' : 'same_owner'
}
