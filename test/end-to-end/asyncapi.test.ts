import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const document: unknown = JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/reference/asyncapi.json'), 'utf8'))

/** What a reference of the document points at. */
function pointedAt(reference: string): unknown {
  let at: unknown = document
  for (const part of reference.split('/').slice(1)) at = (at as Record<string, unknown> | undefined)?.[part]
  return at
}

function* referencesIn(value: unknown): Generator<string> {
  if (typeof value !== 'object' || value === null) return
  for (const [name, each] of Object.entries(value)) {
    if (name === '$ref') yield String(each)
    else yield* referencesIn(each)
  }
}

it('the AsyncAPI document points nowhere into nothing, and every message has a version and is in some channel', () => {
  const references = [...referencesIn(document)]
  expect(references.filter((reference) => pointedAt(reference) === undefined)).toEqual([])
  const { components } = document as { components: { messages: Record<string, { 'x-schema-version': number }> } }
  const names = Object.keys(components.messages)
  expect(names.length).toBeGreaterThan(8)
  for (const name of names) {
    expect(name).toBe(`${name.replace(/\.v\d+$/, '')}.v${components.messages[name]?.['x-schema-version']}`)
    expect(references).toContain(`#/components/messages/${name}`)
  }
})
