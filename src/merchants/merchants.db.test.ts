import { afterAll, beforeAll, expect, it } from 'vitest'
import { openRunner, type Runner } from '#platform/operation-runner.ts'
import { openTestDatabases, type TestDatabases } from '#test/databases.ts'
import { openMerchants } from './index.ts'

let t: TestDatabases
let runners: Runner[]
const keys = new Map<string, readonly string[]>()
beforeAll(async () => {
  t = await openTestDatabases()
  const merchants = openMerchants({
    keys: {
      async issue({ id, scopes }) {
        keys.set(id, scopes)
        return `secret of ${id}`
      },
      revoke: async (id) => keys.delete(id),
    },
  })
  runners = [1, 2].map(() =>
    openRunner({
      operations: merchants.operations,
      databases: t.databases,
      standardLimit: { perSecond: 100_000, burst: 100_000 },
      limits: new Map([['merchants', { perSecond: 100_000, burst: 100_000 }]]),
      nowMs: () => performance.now(),
      log: { error() {}, warn() {}, info() {} },
    }),
  )
})
afterAll(async () => {
  for (const runner of runners) await runner.drain()
  await t.close()
})

interface From {
  readonly server?: number
  readonly scopes?: readonly string[]
  readonly traffic?: 'live' | 'shadow'
}
const run = async (
  operation: string,
  inputs: readonly object[],
  { server = 0, scopes = ['merchants:write'], traffic = 'live' }: From = {},
) => {
  const rehearsalId = traffic === 'live' ? null : 'r'
  const context = { traffic, rehearsalId, actor: { id: 'key:staff', scopes }, traceId: 'f'.repeat(32) }
  const outcomes = await (runners[server] as Runner).runMany(
    operation,
    inputs.map((input) => ({ context, input })),
  )
  return outcomes.map((outcome) => (outcome.ok ? outcome.value : `${outcome.error.code} ${outcome.error.field}`))
}
const address = { line1: '1 Main St', city: 'Niagara Falls', postcode: 'L2E 1A1', country: 'CA' }
const store = (merchantId: string, storeId: string, more: object = {}) => ({
  merchantId,
  storeId,
  name: 'At the falls',
  address,
  zone: 'America/Toronto',
  weekly: [{ day: 1, opens: '04:00', closes: '12:00' }],
  exceptions: [],
  ...more,
})
const vehicle = (merchantId: string, vehicleId: string) => ({
  merchantId,
  vehicleId,
  plate: 'ABC 123',
  goodsType: 'dry',
  weightGrams: 500_000,
  volumeMl: 2_000_000,
})

it('registers merchants, stores and vehicles, each with its own outcome, and puts them anew', async () => {
  expect(
    await run('merchants.put', [
      { merchantId: 'bakery', name: 'First name' },
      { merchantId: 'bakery', name: 'Bakery' },
      { merchantId: 'a b', name: 'x' },
    ]),
  ).toEqual([{ merchantId: 'bakery' }, { merchantId: 'bakery' }, 'platform.invalid_input /merchantId'])
  expect(
    await run('merchants.put_store', [
      store('bakery', 'falls'),
      store('nobody', 'falls'),
      store('bakery', 'moon', { zone: 'Moon/Base' }),
      store('bakery', 'night', { weekly: [{ day: 1, opens: '22:00', closes: '02:00' }] }),
      store('bakery', 'day', { weekly: [{ day: 8, opens: '09:00', closes: '10:00' }] }),
      store('bakery', 'falls', { name: 'At the falls again' }),
    ]),
  ).toEqual([
    { merchantId: 'bakery', storeId: 'falls' },
    'merchants.unknown_merchant /merchantId',
    'merchants.unknown_zone /zone',
    'merchants.bad_hours /weekly',
    'platform.invalid_input /weekly/0/day',
    { merchantId: 'bakery', storeId: 'falls' },
  ])
  expect(
    await run('merchants.put_vehicle', [
      vehicle('bakery', 'van'),
      vehicle('nobody', 'van'),
      { ...vehicle('bakery', 'bike'), volumeMl: -1 },
    ]),
  ).toEqual([{ merchantId: 'bakery', vehicleId: 'van' }, 'merchants.unknown_merchant /merchantId', 'platform.invalid_input /volumeMl'])
  const { merchantId: _, ...stored } = store('bakery', 'falls', { name: 'At the falls again' })
  const { merchantId: __, ...van } = vehicle('bakery', 'van')
  expect(await run('merchants.get', [{ merchantId: 'bakery' }, { merchantId: 'nobody' }])).toEqual([
    { merchantId: 'bakery', name: 'Bakery', stores: [stored], vehicles: [van] },
    'merchants.unknown_merchant /merchantId',
  ])
})

it('lists merchants page by page, and ends up with one of each when two servers register the same at the same time', async () => {
  const many = Array.from({ length: 40 }, (_, index) => ({ merchantId: `m-${String(index).padStart(2, '0')}`, name: `M ${index}` }))
  await Promise.all([run('merchants.put', many), run('merchants.put', many.toReversed(), { server: 1 })])
  const [page] = (await run('merchants.list', [{ after: 'm-', limit: 39 }])) as { merchants: object[]; next: string | null }[]
  expect(page).toMatchObject({ merchants: { length: 39 }, next: 'm-38' })
  expect(await run('merchants.list', [{ after: 'm-38', limit: 39 }])).toEqual([{ merchants: [many[39]], next: null }])
})

it('says when a store is open, in its own zone', async () => {
  await run('merchants.put', [{ merchantId: 'dawn', name: 'Dawn' }])
  await run('merchants.put_store', [store('dawn', 'falls')])
  // 2 March 2026 is a Monday; 09:00 UTC is 04:00 in Toronto.
  expect(
    await run('merchants.list_openings', [
      { merchantId: 'dawn', storeId: 'falls' },
      { merchantId: 'dawn', storeId: 'falls', from: '2026-03-03', days: 6 },
      { merchantId: 'dawn', storeId: 'rapids' },
      { merchantId: 'dawn', storeId: 'falls', from: '2026-02-30' },
      { merchantId: 'dawn', storeId: 'falls', days: 32 },
    ]),
  ).toEqual([
    {
      zone: 'America/Toronto',
      openNow: true,
      openings: [{ date: '2026-03-02', opensAt: '2026-03-02T09:00:00.000Z', closesAt: '2026-03-02T17:00:00.000Z' }],
    },
    { zone: 'America/Toronto', openNow: true, openings: [] },
    'merchants.unknown_store /storeId',
    'merchants.bad_date /from',
    'platform.invalid_input /days',
  ])
})

it('makes keys for merchants that there are, in live traffic only, and ends them', async () => {
  await run('merchants.put', [{ merchantId: 'keyed', name: 'Keyed' }])
  const tablet = { merchantId: 'keyed', name: 'tablet' }
  expect(await run('merchants.issue_key', [tablet, { ...tablet, merchantId: 'nobody' }])).toEqual([
    { ...tablet, key: 'secret of merchant:keyed:tablet' },
    'merchants.unknown_merchant /merchantId',
  ])
  expect(keys.get('merchant:keyed:tablet')).toEqual(['merchants:prepare', 'merchant:keyed'])
  expect(await run('merchants.issue_key', [tablet], { traffic: 'shadow' })).toEqual(['merchants.keys_are_live undefined'])
  expect(await run('merchants.revoke_key', [tablet, tablet])).toEqual([
    { ...tablet, changed: true },
    { ...tablet, changed: false },
  ])
})

it('shows a merchant itself, and nothing to a key that is of none', async () => {
  await run('merchants.put', [{ merchantId: 'self', name: 'Self' }])
  const prepare = (merchant: readonly string[]) => run('merchants.get_own', [{}], { scopes: ['merchants:prepare', ...merchant] })
  expect(await prepare(['merchant:self'])).toEqual([{ merchantId: 'self', name: 'Self', stores: [], vehicles: [] }])
  expect(await prepare([])).toEqual(['merchants.unknown_merchant /merchantId'])
  expect(await run('merchants.get', [{ merchantId: 'self' }], { scopes: ['merchants:prepare', 'merchant:self'] })).toEqual([
    'platform.not_authorised Authorization',
  ])
})
