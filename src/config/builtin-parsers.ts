import text from '../../conf/parsers.conf' with { type: 'text' }
import { ClassicText } from './classic.ts'
import { emptyTree, propertyOf, type Section } from './config-tree.ts'

const NAME = 'built-in conf/parsers.conf'

/** Returns the [PARSER] sections of conf/parsers.conf, which is bundled with the program, by name. */
export async function builtinParsers(): Promise<ReadonlyMap<string, Section>> {
  const tree = emptyTree()
  await new ClassicText(NAME, 'parsers', tree, () => {}).read(text)
  return new Map(tree.sections.map((section) => [propertyOf(section, 'name')?.value ?? '', section]))
}
