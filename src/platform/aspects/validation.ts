import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { type Refusal, refused } from '#kernel/outcome.ts'

export type Validate = (input: unknown) => Refusal | undefined

/** Compiles a schema once; the check names the first field at fault as a JSON pointer and says what would be right. */
export function compileValidation(schema: TSchema): Validate {
  const compiled = Compile(schema)
  return (input) => {
    if (compiled.Check(input)) return undefined
    const [error] = compiled.Errors(input)
    if (error === undefined) return refused('platform.invalid_input', 'The input does not fit the schema.')
    const params = (error.params ?? {}) as Record<string, unknown>
    const list = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [])
    const missing = list(params['requiredProperties'])[0]
    const unknown = list(params['additionalProperties'])[0]
    if (missing !== undefined) {
      return refused('platform.invalid_input', `The field "${missing}" is required.`, `${error.instancePath}/${missing}`)
    }
    if (unknown !== undefined) {
      return refused('platform.invalid_input', `There is no field "${unknown}" here.`, `${error.instancePath}/${unknown}`)
    }
    const allowed = list(params['allowedValues'])
    const hint = allowed.length > 0 ? ` (${allowed.join(', ')})` : ''
    return refused('platform.invalid_input', `The field ${error.instancePath || '/'} ${error.message}${hint}.`, error.instancePath || '/')
  }
}
