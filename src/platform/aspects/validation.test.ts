import { Type } from 'typebox'
import { expect, test } from 'vitest'
import { compileValidation } from '#platform/aspects/validation.ts'

const validate = compileValidation(
  Type.Object(
    {
      name: Type.String({ minLength: 1, maxLength: 5 }),
      lines: Type.Array(Type.Object({ quantity: Type.Integer({ minimum: 1 }) }, { additionalProperties: false }), { minItems: 1 }),
      kind: Type.Optional(Type.Union([Type.Literal('dry'), Type.Literal('frozen')])),
    },
    { additionalProperties: false },
  ),
)

test.each([
  ['all is well', { name: 'a', lines: [{ quantity: 1 }] }, undefined],
  ['a field is missing', { lines: [{ quantity: 1 }] }, '/name'],
  ['a field is unknown', { name: 'a', lines: [{ quantity: 1 }], colour: 1 }, '/colour'],
  ['a field deep inside is unknown', { name: 'a', lines: [{ quantity: 1, colour: 1 }] }, '/lines/0/colour'],
  ['a type is wrong', { name: 7, lines: [{ quantity: 1 }] }, '/name'],
  ['a number is too small', { name: 'a', lines: [{ quantity: 1 }, { quantity: 0 }] }, '/lines/1/quantity'],
  ['a text is too long', { name: 'abcdef', lines: [{ quantity: 1 }] }, '/name'],
  ['a list is empty', { name: 'a', lines: [] }, '/lines'],
  ['it is no object', 'hello', '/'],
  ['it is nothing', null, '/'],
])('%s: names the field', (_about, input, field) => {
  const refusal = validate(input)
  expect(refusal?.error.field).toBe(field)
  if (field !== undefined) expect(refusal?.error.detail).not.toBe('')
})
