import { ShipperError } from '../../core/error.ts'
import { compileTagPatterns } from '../../lib/tags/tag-pattern.ts'
import { didYouMean } from '../../lib/text/did-you-mean.ts'
import type { SectionOrigin, Tree, TreeStep } from '../config-tree.ts'
import { type Element, textOf, typeOf } from './element.ts'
import { translateFilter } from './filters.ts'
import { translateMatch } from './matches.ts'
import { warnOfReservedTags } from './reserved-tags.ts'
import { translateRewriteTag } from './rewrite-tag.ts'
import { translateSource } from './sources.ts'
import { translateSystem } from './system.ts'
import { ERROR_LABEL, ROOT_LABEL, Translation } from './translation.ts'

/** Label to which fluentd sends its own log. */
const OWN_LOG_LABEL = '@FLUENT_LOG'
const OWN_LOG = /^fluent(?:\.|$)/
const BLANKS = /\s+/
const SECTIONS = ['source', 'match', 'filter', 'label', 'system', 'worker']

/**
 * Translates the elements of a file into sections and TreeRouting: the order of filters and matches by label. Everything that has
 * no counterpart is reported, each with its place and what stands in for it.
 */
export function translate(root: Element, tree: Tree, origin: SectionOrigin): void {
  const translation = new Translation(tree, origin)
  const elements = [
    ...root.children.filter(({ name }) => name !== 'worker'),
    ...elementsOfWorkers(root, translation),
  ]
  for (const { name, location } of root.attributes)
    translation.problem('E_CONFIG_SYNTAX', `"${name}" is outside of any section`, location)
  for (const element of elements) checkName(element, translation)
  // Filters have to know the tags of sources, wherever these are.
  for (const element of elements) if (element.name === 'source') translateSource(element, translation)
  for (const element of elements) if (element.name === 'system') translateSystem(element, translation)
  translation.hasErrorLabel = elements.some(
    ({ name, argument }) => name === 'label' && argument === ERROR_LABEL,
  )
  addSteps('', elements, translation)
  for (const element of elements) if (element.name === 'label') translateLabel(element, translation)
  for (const element of elements) {
    const label = element.name === 'source' ? textOf(element, '@label') : undefined
    if (label !== undefined && label !== ROOT_LABEL) translation.uses(label, element.location)
  }
  translation.reportUnknownLabels()
  reportErrorLabel(elements, tree, translation)
  if (translation.problems.length === 0)
    for (const element of elements) if (element.name === 'source') warnOfReservedTags(element, translation)
  tree.routing = { labels: translation.labels }
}

/** Sections of <worker> belong to one of several processes; here they are those of the file, after all others. */
function elementsOfWorkers(root: Element, translation: Translation): Element[] {
  return root.children
    .filter(({ name }) => name === 'worker')
    .flatMap((worker) => {
      translation.note(`<worker ${worker.argument}>: one process does the work of all`, worker.location)
      return worker.children
    })
}

function checkName({ name, location }: Element, translation: Translation): void {
  if (SECTIONS.includes(name)) return
  const near = didYouMean(name, SECTIONS)
  const message = `unknown section <${name}>${near}`
  if (near === '') translation.warn(`${message}: it has no effect`, location)
  else translation.problem('E_CONFIG_UNKNOWN_SECTION', message, location)
}

function translateLabel(label: Element, translation: Translation): void {
  const { argument: name, location } = label
  if (name === '' || name === ROOT_LABEL) {
    const message = name === '' ? '<label> has no name' : 'the label @ROOT cannot be defined'
    translation.problem('E_CONFIG_SYNTAX', message, location, 'for example <label @APP>')
    return
  }
  if (name === OWN_LOG_LABEL) {
    translation.warn(
      `<label ${name}> has no effect: for the agent's own log there is the input fluentbit_logs`,
      location,
    )
    return
  }
  for (const element of label.children)
    if (element.name !== 'match' && element.name !== 'filter')
      translation.warn(`<${element.name}> has no effect within <label>`, element.location)
  addSteps(name, label.children, translation)
}

/** Says which records the label @ERROR gets; in fluentd these and others. */
function reportErrorLabel(elements: readonly Element[], { sections }: Tree, translation: Translation): void {
  const label = elements.find(({ name, argument }) => name === 'label' && argument === ERROR_LABEL)
  if (label === undefined) return
  const has = (key: string, value: string, without = ''): boolean =>
    sections.some(
      ({ properties }) =>
        properties.some((one) => one.key === key && one.value === value) &&
        !properties.some((one) => one.key === without),
    )
  const kinds = [
    ...(has('Enable_Ruby', 'on') ? ['records on which an expression of record_transformer fails'] : []),
    ...(has('Name', 'concat', 'Timeout_Label')
      ? ['groups of concat without timeout_label that are not complete after flush_interval']
      : []),
    ...(has('Unmatched', 'error_label') ? ['records that a filter parser cannot read'] : []),
  ]
  const rest =
    'lines that the parser of a source cannot read are kept, and records that an output gives up go to the dead letters'
  if (kinds.length > 0)
    translation.note(`<label ${ERROR_LABEL}> gets ${kinds.join(', and ')}; ${rest}`, label.location)
  else translation.warn(`<label ${ERROR_LABEL}> gets no records: ${rest}`, label.location)
}

/** Appends the filters and matches, in their order, to the steps of a label. A label may be defined in several places. */
function addSteps(label: string, elements: readonly Element[], translation: Translation): void {
  const steps: TreeStep[] = translation.labels.get(label) ?? []
  translation.labels.set(label, steps)
  for (const element of elements) {
    if (element.name !== 'match' && element.name !== 'filter') continue
    const patterns = patternsOf(element, translation)
    const { location } = element
    if (element.name === 'filter')
      for (const filter of translateFilter(element, translation)) steps.push({ patterns, location, filter })
    else {
      if (patterns.every((pattern) => OWN_LOG.test(pattern)))
        translation.note(
          'for the agent’s own log there is the input fluentbit_logs: only senders can use these tags',
          location,
        )
      if (typeOf(element)?.value === 'rewrite_tag_filter')
        steps.push({ patterns, location, filter: translateRewriteTag(element, translation) })
      else steps.push({ patterns, location, targets: translateMatch(element, translation) })
    }
  }
}

/** Returns the tag patterns of a filter or match; without any it gets everything. */
function patternsOf({ argument, argumentLocation }: Element, translation: Translation): string[] {
  const patterns = argument.split(BLANKS).filter((pattern) => pattern !== '')
  try {
    compileTagPatterns(patterns)
  } catch (error) {
    if (!(error instanceof ShipperError)) throw error
    translation.problem(error.code, error.message, argumentLocation, error.hint)
  }
  return patterns.length === 0 ? ['**'] : patterns
}
