import { ShipperError } from '../../../core/error.ts'
import type { InvalidValue } from '../../../core/options/checks.ts'

/** Variables of the machine, known for all records, and those of the container. */
const CLUSTER_VARIABLES = [
  'ClusterName',
  'ContainerInstanceArn',
  'ContainerInstanceID',
  'ECSAgentVersion',
] as const
const TASK_VARIABLES = [
  'ContainerID',
  'DockerContainerName',
  'ECSContainerName',
  'TaskARN',
  'TaskID',
  'TaskDefinition',
  'TaskDefinitionFamily',
  'TaskDefinitionVersion',
] as const
type Variable = (typeof CLUSTER_VARIABLES)[number] | (typeof TASK_VARIABLES)[number]
export type ClusterValues = Record<(typeof CLUSTER_VARIABLES)[number], string>
export type TaskValues = Record<(typeof TASK_VARIABLES)[number], string>
type Values = Partial<Record<Variable, string>>

const VARIABLES: readonly string[] = [...CLUSTER_VARIABLES, ...TASK_VARIABLES]
const NAME = /^\w+/

/**
 * The text of a field: `template = *( 1*( any but "$" ) / "$" variable )`. A name of a variable goes on as far as there are letters,
 * digits and underscores.
 */
export class FieldTemplate {
  readonly key: string
  readonly #parts: readonly ({ text: string } | { variable: Variable })[]

  constructor(key: string, text: string) {
    this.key = key
    const [first = '', ...rest] = text.split('$')
    this.#parts = [
      { text: first },
      ...rest.flatMap((part) => {
        const name = NAME.exec(part)?.[0] ?? ''
        if (!VARIABLES.includes(name)) throw unknownVariable(name)
        return [{ variable: name as Variable }, { text: part.slice(name.length) }]
      }),
    ]
  }

  /** Returns the text, or undefined when one of the variables has no value. */
  textOf(values: Values): string | undefined {
    let out = ''
    for (const part of this.#parts) {
      const text = 'text' in part ? part.text : values[part.variable]
      if (text === undefined) return undefined
      out += text
    }
    return out
  }
}

/** Checks the words of `Add KEY TEMPLATE`. */
export function checkTemplate([key = '', text = '']: string[]): InvalidValue | undefined {
  try {
    new FieldTemplate(key, text)
    return undefined
  } catch (error) {
    if (!(error instanceof ShipperError)) throw error
    return { must: 'a key and a string with variables', reason: error.message, hint: error.hint }
  }
}

function unknownVariable(name: string): ShipperError {
  const message = name === '' ? 'there is no name after "$"' : `there is no variable $${name}`
  return new ShipperError('E_CONFIG_BAD_VALUE', message, {
    hint: `the variables are ${VARIABLES.map((each) => `$${each}`).join(', ')}`,
  })
}
