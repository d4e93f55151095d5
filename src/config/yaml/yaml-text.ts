import type { SourceLocation } from '../../core/error.ts'
import type { SectionOrigin, Tree } from '../config-tree.ts'
import type { Environment } from '../variables.ts'
import { parseYaml } from './document.ts'
import { YamlSections } from './sections.ts'

/**
 * Reads a text in YAML format into the tree. Calls `include` for each entry of `includes`, in order. Problems are recorded; after
 * a syntax error nothing of the text is read.
 */
export async function readYaml(
  file: string,
  text: string,
  origin: SectionOrigin,
  tree: Tree,
  include: (pattern: string, location: SourceLocation) => void | Promise<void>,
  _env: Environment,
): Promise<void> {
  const root = parseYaml(file, text, tree)
  if (root !== undefined) await new YamlSections(origin, tree, include).read(root)
}
