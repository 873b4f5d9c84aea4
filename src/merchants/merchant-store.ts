import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { Hours } from './hours.ts'

export interface Address {
  readonly line1: string
  readonly city: string
  readonly postcode: string
  readonly country: string
}

export interface Store extends Hours {
  readonly merchantId: string
  readonly storeId: string
  readonly name: string
  readonly address: Address
}

export interface Vehicle {
  readonly merchantId: string
  readonly vehicleId: string
  readonly plate: string
  readonly goodsType: 'dry' | 'frozen' | 'mixed'
  readonly weightGrams: number
  readonly volumeMl: number
}

export interface Merchant {
  readonly merchantId: string
  readonly name: string
}

/** A statement can not touch a row twice: of two of one key the last holds. */
const lastOf = <T>(rows: readonly T[], keyOf: (row: T) => string): T[] => [...new Map(rows.map((row) => [keyOf(row), row])).values()]

// Rows are written in the order of their keys, so that two callers wait for each other in one order.
const upsertMerchants = statement(
  'merchants.put_merchants',
  `insert into merchants.merchant (id, name, created_at, changed_at)
   select id, name, $3, $3 from unnest($1::text[], $2::text[]) as asked (id, name) order by id
   on conflict (id) do update set name = excluded.name, changed_at = excluded.changed_at`,
)
export async function putMerchants(context: WriteContext, asked: readonly Merchant[]): Promise<void> {
  const rows = lastOf(asked, ({ merchantId }) => merchantId)
  await context.query(upsertMerchants, [rows.map(({ merchantId }) => merchantId), rows.map(({ name }) => name), context.now])
}

const upsertStores = statement(
  'merchants.put_stores',
  `insert into merchants.store (merchant_id, id, name, address, zone, weekly, exceptions, changed_at)
   select merchant_id, id, name, address, zone, weekly, exceptions, $8
   from unnest($1::text[], $2::text[], $3::text[], $4::json[], $5::text[], $6::json[], $7::json[])
     as asked (merchant_id, id, name, address, zone, weekly, exceptions) order by merchant_id, id
   on conflict (merchant_id, id) do update set name = excluded.name, address = excluded.address, zone = excluded.zone,
     weekly = excluded.weekly, exceptions = excluded.exceptions, changed_at = excluded.changed_at`,
)
export async function putStores(context: WriteContext, asked: readonly Store[]): Promise<void> {
  if (asked.length === 0) return
  const rows = lastOf(asked, ({ merchantId, storeId }) => `${merchantId} ${storeId}`)
  await context.query(upsertStores, [
    rows.map(({ merchantId }) => merchantId),
    rows.map(({ storeId }) => storeId),
    rows.map(({ name }) => name),
    rows.map(({ address }) => JSON.stringify(address)),
    rows.map(({ zone }) => zone),
    rows.map(({ weekly }) => JSON.stringify(weekly)),
    rows.map(({ exceptions }) => JSON.stringify(exceptions)),
    context.now,
  ])
}

const upsertVehicles = statement(
  'merchants.put_vehicles',
  `insert into merchants.vehicle (merchant_id, id, plate, goods_type, weight_grams, volume_ml, changed_at)
   select merchant_id, id, plate, goods_type, weight_grams, volume_ml, $7
   from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
     as asked (merchant_id, id, plate, goods_type, weight_grams, volume_ml) order by merchant_id, id
   on conflict (merchant_id, id) do update set plate = excluded.plate, goods_type = excluded.goods_type,
     weight_grams = excluded.weight_grams, volume_ml = excluded.volume_ml, changed_at = excluded.changed_at`,
)
export async function putVehicles(context: WriteContext, asked: readonly Vehicle[]): Promise<void> {
  if (asked.length === 0) return
  const rows = lastOf(asked, ({ merchantId, vehicleId }) => `${merchantId} ${vehicleId}`)
  await context.query(upsertVehicles, [
    rows.map(({ merchantId }) => merchantId),
    rows.map(({ vehicleId }) => vehicleId),
    rows.map(({ plate }) => plate),
    rows.map(({ goodsType }) => goodsType),
    rows.map(({ weightGrams }) => weightGrams),
    rows.map(({ volumeMl }) => volumeMl),
    context.now,
  ])
}

const selectMerchants = statement<Merchant>(
  'merchants.find_merchants',
  `select id as "merchantId", name from merchants.merchant where id = any($1::text[])`,
)
const selectPage = statement<Merchant>(
  'merchants.list_merchants',
  `select id as "merchantId", name from merchants.merchant where id > $1 order by id limit $2`,
)
const selectStores = statement<Store>(
  'merchants.find_stores',
  `select merchant_id as "merchantId", id as "storeId", name, address, zone, weekly, exceptions from merchants.store
   where merchant_id = any($1::text[]) order by merchant_id, id`,
)
const selectVehicles = statement<Vehicle>(
  'merchants.find_vehicles',
  `select merchant_id as "merchantId", id as "vehicleId", plate, goods_type as "goodsType", weight_grams as "weightGrams", volume_ml as "volumeMl"
   from merchants.vehicle where merchant_id = any($1::text[]) order by merchant_id, id`,
)

export async function findMerchants(context: ReadContext, merchantIds: readonly string[]): Promise<Map<string, Merchant>> {
  const rows = await context.query(selectMerchants, [[...new Set(merchantIds)]])
  return new Map(rows.map((row) => [row.merchantId, row]))
}

export const listMerchants = (context: ReadContext, after: string, limit: number): Promise<Merchant[]> =>
  context.query(selectPage, [after, limit])

export async function findStores(context: ReadContext, merchantIds: readonly string[]): Promise<Map<string, Store[]>> {
  return Map.groupBy(await context.query(selectStores, [[...new Set(merchantIds)]]), ({ merchantId }) => merchantId)
}

export async function findVehicles(context: ReadContext, merchantIds: readonly string[]): Promise<Map<string, Vehicle[]>> {
  return Map.groupBy(await context.query(selectVehicles, [[...new Set(merchantIds)]]), ({ merchantId }) => merchantId)
}
