import { expect, test } from 'vitest'
import { Type } from 'typebox'
import { authorise } from '#platform/aspects/authorisation.ts'
import { query } from '#platform/operation.ts'

const operation = (scopes: string[]) =>
  query({
    id: 'things.get',
    context: 'orders',
    summary: '',
    input: Type.Object({}),
    output: Type.Object({}),
    scopes,
    http: { method: 'GET', path: '/things' },
    batch: { largest: 1, longestWaitMs: 0 },
    priority: 'normal',
    errors: {},
    body: async () => [],
  })

test.each([
  ['one of the scopes is enough', ['a', 'b'], ['b'], undefined],
  ['no scopes asked: open to all', [], [], undefined],
  ['the system may', ['a'], ['*'], undefined],
  ['another scope is not enough', ['a'], ['b'], 'platform.not_authorised'],
])('%s', (_about, asked, held, code) => {
  expect(authorise(operation(asked), { id: 'key:x', scopes: held })?.error.code).toBe(code)
})

test('who sent no key is told to send one', () => {
  expect(authorise(operation(['a']), { id: 'anonymous', scopes: [] })?.error.code).toBe('platform.not_authenticated')
})
