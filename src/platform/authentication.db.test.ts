import { afterAll, beforeAll, expect, it } from 'vitest'
import { openAuthentication } from '#platform/authentication.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'

let t: TestDatabases
beforeAll(async () => {
  t = await openTestDatabases()
})
afterAll(() => t.close())

it('ends a key once, at the latest fifteen seconds on, and a key issued anew under its id works again', async () => {
  const nowMs = () => t.clock.now().getTime()
  const [here, elsewhere] = [openAuthentication(t.databases.of('platform'), nowMs), openAuthentication(t.databases.of('platform'), nowMs)]
  const key = { id: 'merchant:bakery:tablet', client: 'merchant-bakery-tablet', scopes: ['merchants:prepare', 'merchant:bakery'] }
  const secret = `Bearer ${await here.issue(key)}`
  const actor = { id: 'key:merchant-bakery-tablet', scopes: key.scopes }
  expect(await here.actorOf(secret)).toEqual(actor)
  expect(await Promise.all([here.revoke(key.id), elsewhere.revoke(key.id), here.revoke('nobody')])).toEqual(
    expect.arrayContaining([true, false, false]),
  )
  t.clock.set(new Date(nowMs() + 15_000))
  expect(await here.actorOf(secret)).toBeUndefined()
  expect(await elsewhere.actorOf(secret)).toBeUndefined()
  expect(await here.actorOf(`Bearer ${await elsewhere.issue(key)}`)).toEqual(actor)
  expect(await here.revoke(key.id)).toBe(true)
})
