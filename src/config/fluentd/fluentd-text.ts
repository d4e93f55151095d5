import type { SourceLocation } from '../../core/error.ts'
import { problem, type SectionOrigin, type Tree } from '../config-tree.ts'
import { noteSecret } from '../secret-values.ts'
import type { Environment } from '../variables.ts'
import { newElement } from './element.ts'
import { IncludedFiles } from './include.ts'
import { translate } from './translate.ts'

/**
 * Reads a text in fluentd's format into the tree: sections, and the order of filters and matches. Files that it includes are read
 * here, and not by `_include`, as they may be parts of a section.
 */
export function readFluentd(
  file: string,
  text: string,
  origin: SectionOrigin,
  tree: Tree,
  _include: (pattern: string, location: SourceLocation) => void | Promise<void>,
  env: Environment,
): void {
  if (origin === 'parsers') {
    const message = 'a parsers file cannot be in fluentd format'
    const hint = 'parsers stand in <parse> of their source'
    tree.problems.push(problem('E_CONFIG_SYNTAX', message, { file }, hint))
    return
  }
  const root = newElement('', '', { file })
  new IncludedFiles(notingSecrets(env, tree), tree).read(file, text, root, [])
  translate(root, tree, origin)
}

/** Returns an environment that records the values of secret variables which are read from it. */
function notingSecrets(env: Environment, tree: Tree): Environment {
  const secrets = tree.secrets ?? new Set<string>()
  return new Proxy(env, {
    get(_, name) {
      const value = env[String(name)]
      noteSecret(secrets, String(name), value)
      if (secrets.size > 0) tree.secrets = secrets
      return value
    },
  })
}
