import { type Static, Type } from 'typebox'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { ReadContext } from '#platform/database.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { ownScopeOf } from '#platform/request-context.ts'
import { checkHours, dateIn, isDate, openingsOf } from './hours.ts'
import {
  findMerchants,
  findStores,
  findVehicles,
  listMerchants,
  putMerchants,
  putStores,
  putVehicles,
  type Store,
} from './merchant-store.ts'

const exact = { additionalProperties: false }
const Name = Type.String({ minLength: 1, maxLength: 200 })
const MerchantId = Type.String({ pattern: '^[\\w.-]{1,64}$', description: 'the merchant that orders and waybills name' })
const PartId = Type.String({ pattern: '^[\\w.-]{1,64}$' })
const LocalDate = Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}$' })
const Opens = Type.String({ pattern: '^([01]\\d|2[0-3]):[0-5]\\d$' })
const Closes = Type.String({ pattern: '^(([01]\\d|2[0-3]):[0-5]\\d|24:00)$' })

const storeFields = {
  name: Name,
  address: Type.Object(
    {
      line1: Name,
      city: Name,
      postcode: Type.String({ minLength: 1, maxLength: 16 }),
      country: Type.String({ pattern: '^[A-Z]{2}$' }),
    },
    exact,
  ),
  zone: Type.String({ minLength: 1, maxLength: 60, description: 'IANA time zone, such as America/Toronto' }),
  weekly: Type.Array(Type.Object({ day: Type.Integer({ minimum: 1, maximum: 7 }), opens: Opens, closes: Closes }, exact), {
    maxItems: 70,
    description: 'day 1 is Monday; local times',
  }),
  exceptions: Type.Array(
    Type.Object({ date: LocalDate, openings: Type.Array(Type.Object({ opens: Opens, closes: Closes }, exact), { maxItems: 10 }) }, exact),
    { maxItems: 400, description: 'what holds on a date instead; no openings: closed' },
  ),
}
const vehicleFields = {
  plate: Type.String({ minLength: 1, maxLength: 20 }),
  goodsType: Type.Enum(['dry', 'frozen', 'mixed']),
  weightGrams: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
  volumeMl: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }),
}

const unknownMerchant = (merchantId: string): Outcome<never> =>
  refused('merchants.unknown_merchant', `there is no merchant ${merchantId}`, '/merchantId')

const rare = {
  audited: true,
  scopes: ['merchants:write'],
  batch: { largest: 500, longestWaitMs: 0, concurrent: 1, largestRequest: 1000 },
  idempotency: 'inherent',
  priority: 'low',
} as const

const put = command({
  ...rare,
  id: 'merchants.put',
  context: 'merchants',
  summary: 'Registers a merchant, or names it anew',
  input: Type.Object({ merchantId: MerchantId, name: Name }, exact),
  output: Type.Object({ merchantId: MerchantId }, exact),
  http: { method: 'PUT', path: '/v1/merchants/:merchantId', batchPath: '/v1/merchants/batch' },
  errors: {},
  body: async (context, asked) => {
    await putMerchants(
      context,
      asked.map(({ input }) => input),
    )
    return asked.map(({ input: { merchantId } }) => accepted({ merchantId }))
  },
})

const putStore = command({
  ...rare,
  id: 'merchants.put_store',
  context: 'merchants',
  summary: 'Registers a store of a merchant with its hours, or replaces it',
  input: Type.Object({ merchantId: MerchantId, storeId: PartId, ...storeFields }, exact),
  output: Type.Object({ merchantId: MerchantId, storeId: PartId }, exact),
  http: { method: 'PUT', path: '/v1/merchants/:merchantId/stores/:storeId', batchPath: '/v1/merchants/stores/batch' },
  errors: { 'merchants.unknown_merchant': 404, 'merchants.unknown_zone': 422, 'merchants.bad_hours': 422 },
  body: async (context, asked) => {
    const known = await findMerchants(
      context,
      asked.map(({ input }) => input.merchantId),
    )
    const judged = asked.map(({ input }): Outcome<Store> => {
      if (!known.has(input.merchantId)) return unknownMerchant(input.merchantId)
      const hours = checkHours(input)
      return hours.ok ? accepted(input) : hours
    })
    await putStores(
      context,
      judged.flatMap((outcome) => (outcome.ok ? [outcome.value] : [])),
    )
    return judged.map((outcome) =>
      outcome.ok ? accepted({ merchantId: outcome.value.merchantId, storeId: outcome.value.storeId }) : outcome,
    )
  },
})

const putVehicle = command({
  ...rare,
  id: 'merchants.put_vehicle',
  context: 'merchants',
  summary: 'Registers a pickup vehicle of a merchant, or replaces it',
  input: Type.Object({ merchantId: MerchantId, vehicleId: PartId, ...vehicleFields }, exact),
  output: Type.Object({ merchantId: MerchantId, vehicleId: PartId }, exact),
  http: { method: 'PUT', path: '/v1/merchants/:merchantId/vehicles/:vehicleId', batchPath: '/v1/merchants/vehicles/batch' },
  errors: { 'merchants.unknown_merchant': 404 },
  body: async (context, asked) => {
    const known = await findMerchants(
      context,
      asked.map(({ input }) => input.merchantId),
    )
    const good = asked.flatMap(({ input }) => (known.has(input.merchantId) ? [input] : []))
    await putVehicles(context, good)
    return asked.map(({ input: { merchantId, vehicleId } }) =>
      known.has(merchantId) ? accepted({ merchantId, vehicleId }) : unknownMerchant(merchantId),
    )
  },
})

const MerchantView = Type.Object(
  {
    merchantId: MerchantId,
    name: Name,
    stores: Type.Array(Type.Object({ storeId: PartId, ...storeFields }, exact)),
    vehicles: Type.Array(Type.Object({ vehicleId: PartId, ...vehicleFields }, exact)),
  },
  exact,
)

/** Merchants with their stores and vehicles; undefined for those that there are not. */
async function viewMerchants(context: ReadContext, merchantIds: readonly string[]): Promise<(Static<typeof MerchantView> | undefined)[]> {
  const [merchants, stores, vehicles] = await Promise.all([
    findMerchants(context, merchantIds),
    findStores(context, merchantIds),
    findVehicles(context, merchantIds),
  ])
  return merchantIds.map((merchantId) => {
    const merchant = merchants.get(merchantId)
    return (
      merchant && {
        ...merchant,
        stores: (stores.get(merchantId) ?? []).map(({ merchantId: _, address, weekly, exceptions, ...store }) => ({
          ...store,
          address: { ...address },
          weekly: weekly.map((opening) => ({ ...opening })),
          exceptions: exceptions.map(({ date, openings }) => ({ date, openings: openings.map((opening) => ({ ...opening })) })),
        })),
        vehicles: (vehicles.get(merchantId) ?? []).map(({ merchantId: _, ...vehicle }) => vehicle),
      }
    )
  })
}

const get = query({
  id: 'merchants.get',
  context: 'merchants',
  summary: 'A merchant with its stores, their hours, and its vehicles',
  input: Type.Object({ merchantId: MerchantId }, exact),
  output: MerchantView,
  scopes: ['merchants:read', 'merchants:write'],
  http: { method: 'GET', path: '/v1/merchants/:merchantId' },
  batch: { largest: 50, longestWaitMs: 0 },
  priority: 'low',
  errors: { 'merchants.unknown_merchant': 404 },
  body: async (context, asked) => {
    const ids = asked.map(({ input }) => input.merchantId)
    const views = await viewMerchants(context, ids)
    return views.map((view, index) => (view === undefined ? unknownMerchant(ids[index] ?? '') : accepted(view)))
  },
})

const list = query({
  id: 'merchants.list',
  context: 'merchants',
  summary: 'Merchants by rising id; `next` is the cursor of the next page, null at the end',
  input: Type.Object({ after: Type.Optional(MerchantId), limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })) }, exact),
  output: Type.Object(
    {
      merchants: Type.Array(Type.Object({ merchantId: MerchantId, name: Name }, exact)),
      next: Type.Union([MerchantId, Type.Null()]),
    },
    exact,
  ),
  scopes: ['merchants:read', 'merchants:write'],
  http: { method: 'GET', path: '/v1/merchants' },
  batch: { largest: 8, longestWaitMs: 0 },
  priority: 'low',
  errors: {},
  body: (context, asked) =>
    Promise.all(
      asked.map(async ({ input }) => {
        const limit = input.limit ?? 100
        const merchants = await listMerchants(context, input.after ?? '', limit)
        return accepted({ merchants, next: merchants.length === limit ? (merchants.at(-1)?.merchantId ?? null) : null })
      }),
    ),
})

const listOpenings = query({
  id: 'merchants.list_openings',
  context: 'merchants',
  summary: 'When a store is open, as instants, from a local date on (its today unless told)',
  input: Type.Object(
    {
      merchantId: MerchantId,
      storeId: PartId,
      from: Type.Optional(LocalDate),
      days: Type.Optional(Type.Integer({ minimum: 1, maximum: 31, description: '7 unless told' })),
    },
    exact,
  ),
  output: Type.Object(
    {
      zone: Type.String(),
      openNow: Type.Boolean(),
      openings: Type.Array(Type.Object({ date: LocalDate, opensAt: Type.String(), closesAt: Type.String() }, exact)),
    },
    exact,
  ),
  scopes: ['merchants:read', 'merchants:write'],
  http: { method: 'GET', path: '/v1/merchants/:merchantId/stores/:storeId/openings' },
  batch: { largest: 50, longestWaitMs: 0 },
  priority: 'low',
  errors: { 'merchants.unknown_store': 404, 'merchants.bad_date': 422 },
  body: async (context, asked) => {
    const stores = await findStores(
      context,
      asked.map(({ input }) => input.merchantId),
    )
    return asked.map(({ input: { merchantId, storeId, from, days = 7 } }) => {
      const store = stores.get(merchantId)?.find((candidate) => candidate.storeId === storeId)
      if (store === undefined) return refused('merchants.unknown_store', `merchant ${merchantId} has no store ${storeId}`, '/storeId')
      if (from !== undefined && !isDate(from)) return refused('merchants.bad_date', `there is no day ${from}`, '/from')
      const today = dateIn(store.zone, context.now)
      return accepted({
        zone: store.zone,
        openNow: openingsOf(store, today, 1).some(({ opensAt, closesAt }) => opensAt <= context.now && context.now < closesAt),
        openings: openingsOf(store, from ?? today, days).map(({ date, opensAt, closesAt }) => ({
          date,
          opensAt: opensAt.toISOString(),
          closesAt: closesAt.toISOString(),
        })),
      })
    })
  },
})

const getOwn = query({
  id: 'merchants.get_own',
  context: 'merchants',
  summary: 'The merchant whose key this is, with its stores, their hours, and its vehicles',
  input: Type.Object({}, exact),
  output: MerchantView,
  scopes: ['merchants:prepare'],
  http: { method: 'GET', path: '/v1/merchant' },
  batch: { largest: 50, longestWaitMs: 0 },
  limit: { perSecond: 2, burst: 4, key: 'merchants', per: 'merchant' },
  priority: 'lowest',
  errors: { 'merchants.unknown_merchant': 404 },
  body: async (context, asked) => {
    const ids = asked.map(({ actor }) => ownScopeOf(actor, 'merchant') ?? '')
    const views = await viewMerchants(context, ids)
    return views.map((view, index) => (view === undefined ? unknownMerchant(ids[index] ?? '') : accepted(view)))
  },
})

/** How merchants get keys, which are the platform's. */
export interface Keys {
  issue(key: { readonly id: string; readonly client: string; readonly scopes: readonly string[] }): Promise<string>
  /** False when there was no such key, or it was revoked before. */
  revoke(id: string): Promise<boolean>
}

const KeyName = Type.String({ pattern: '^[a-z0-9-]{1,40}$', description: 'your name for it, such as counter-tablet' })
const keyId = (merchantId: string, name: string): string => `merchant:${merchantId}:${name}`
const onlyLive = (): Outcome<never> =>
  refused('merchants.keys_are_live', 'Keys are made in live traffic; a rehearsal comes with one of those and the shadow header.')

const keyOperations = ({ issue, revoke }: Keys): readonly Operation[] => [
  command({
    ...rare,
    id: 'merchants.issue_key',
    context: 'merchants',
    summary: 'Makes a key that sees and prepares waybills of one merchant only, and tells it once; the same name again replaces it',
    input: Type.Object({ merchantId: MerchantId, name: KeyName }, exact),
    output: Type.Object({ merchantId: MerchantId, name: KeyName, key: Type.String() }, exact),
    http: { method: 'POST', path: '/v1/merchants/:merchantId/keys', batchPath: null },
    batch: { largest: 1, longestWaitMs: 0 },
    errors: { 'merchants.unknown_merchant': 404, 'merchants.keys_are_live': 409 },
    body: async (context, asked) => {
      if (context.traffic === 'shadow') return asked.map(onlyLive)
      const known = await findMerchants(
        context,
        asked.map(({ input }) => input.merchantId),
      )
      return Promise.all(
        asked.map(async ({ input: { merchantId, name } }) => {
          if (!known.has(merchantId)) return unknownMerchant(merchantId)
          const scopes = ['merchants:prepare', `merchant:${merchantId}`]
          const key = await issue({ id: keyId(merchantId, name), client: `merchant-${merchantId}-${name}`, scopes })
          return accepted({ merchantId, name, key })
        }),
      )
    },
  }),
  command({
    ...rare,
    id: 'merchants.revoke_key',
    context: 'merchants',
    summary: 'Ends a key of a merchant; it works at most 15 seconds on',
    input: Type.Object({ merchantId: MerchantId, name: KeyName }, exact),
    output: Type.Object({ merchantId: MerchantId, name: KeyName, changed: Type.Boolean() }, exact),
    http: { method: 'DELETE', path: '/v1/merchants/:merchantId/keys/:name', batchPath: null },
    batch: { largest: 1, longestWaitMs: 0 },
    errors: { 'merchants.keys_are_live': 409 },
    body: async (context, asked) => {
      if (context.traffic === 'shadow') return asked.map(onlyLive)
      return Promise.all(
        asked.map(async ({ input: { merchantId, name } }) =>
          accepted({ merchantId, name, changed: await revoke(keyId(merchantId, name)) }),
        ),
      )
    },
  }),
]

/** Everything that can be asked of merchants; preparing waybills is asked of fulfilment, which owns them. */
export const merchantOperations = (keys: Keys): readonly Operation[] => [
  put,
  putStore,
  putVehicle,
  get,
  list,
  listOpenings,
  getOwn,
  ...keyOperations(keys),
]
