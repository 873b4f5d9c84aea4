import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { statement } from '#platform/database.ts'

let t: TestDatabases
beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())

const echo = statement<{ texts: (string | null)[]; numbers: number[]; jsons: unknown[]; instants: Date[] }>(
  'test.echo',
  `select $1::text[] as texts, $2::bigint[]::float8[] as numbers, (select json_agg(j) from unnest($3::json[]) as j) as jsons, $4::timestamptz[] as instants`,
)

test('whatever text, number, JSON or instant goes in comes out of PostgreSQL the same', async () => {
  const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\u0000'))
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.option(text)),
      fc.array(fc.maxSafeInteger()),
      fc.array(
        fc.jsonValue({ stringUnit: 'binary' }).filter((value) => !JSON.stringify(value).includes('\\u0000')),
        { minLength: 1 },
      ),
      fc.array(fc.date({ min: new Date('1970-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })),
      async (texts, numbers, jsons, instants) => {
        const [row] = await t.databases
          .of('orders')
          .read(t.live, (context) => context.query(echo, [texts, numbers, jsons.map((value) => JSON.stringify(value)), instants]))
        expect(row?.texts).toEqual(texts)
        expect(row?.numbers).toEqual(numbers)
        expect(row?.jsons).toEqual(JSON.parse(JSON.stringify(jsons)))
        expect(row?.instants).toEqual(instants)
      },
    ),
    { numRuns: 200 },
  )
})
