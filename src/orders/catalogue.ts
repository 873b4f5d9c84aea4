import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { type ReadContext, statement, type WriteContext } from '#platform/database.ts'
import type { Traffic } from '#platform/request-context.ts'
import type { SkuInput, StoreInput } from './schemas.ts'

export interface Sku {
  readonly skuType: string
  readonly weightGrams: number
  readonly volumeMl: number
}

export interface Store {
  readonly prefix: string
  readonly currency: string
}

const findSkus = statement<{ sku: string; sku_type: string; weight_grams: number; volume_ml: number }>(
  'orders.find_skus',
  `select sku, sku_type, weight_grams, volume_ml from orders.sku where sku = any($1::text[])`,
)
const findStores = statement<{ id: string; prefix: string; currency: string }>(
  'orders.find_stores',
  `select id, prefix, currency from orders.store where id = any($1::text[])`,
)
const putSkus = statement<{ sku: string }>(
  'orders.put_skus',
  `insert into orders.sku (sku, name, sku_type, weight_grams, volume_ml)
   select distinct on (sku) sku, name, sku_type, weight_grams, volume_ml
   from unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::integer[]) with ordinality
     as given (sku, name, sku_type, weight_grams, volume_ml, position)
   order by sku, position desc
   on conflict (sku) do update set name = excluded.name, sku_type = excluded.sku_type, weight_grams = excluded.weight_grams, volume_ml = excluded.volume_ml`,
)
const putStores = statement<{ id: string }>(
  'orders.put_stores',
  `insert into orders.store (id, name, prefix, currency)
   select distinct on (id) id, name, prefix, currency from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality
     as given (id, name, prefix, currency, position)
   where not exists (select from orders.store taken where taken.prefix = given.prefix and taken.id <> given.id)
   order by id, position desc
   on conflict (id) do update set name = excluded.name where store.prefix = excluded.prefix and store.currency = excluded.currency
   returning id`,
)

/** Weight and type of a SKU may be this old when an order is placed. */
const keepMs = 60_000
const mostKept = 200_000

/** What placing must know about stores and SKUs; kept in memory, for a SKU is read a thousand times for each change of it. */
export class Catalogue {
  readonly #skus = new Map<string, { sku: Sku; untilMs: number }>()
  readonly #stores = new Map<string, { store: Store; untilMs: number }>()

  async skus(context: ReadContext, names: Iterable<string>): Promise<(name: string) => Sku | undefined> {
    const nowMs = performance.now()
    const missing = [...new Set(names)].filter((name) => (this.#skus.get(key(context.traffic, name))?.untilMs ?? 0) < nowMs)
    if (missing.length > 0) {
      if (this.#skus.size > mostKept) this.#skus.clear()
      for (const row of await context.query(findSkus, [missing])) {
        const sku = { skuType: row.sku_type, weightGrams: row.weight_grams, volumeMl: row.volume_ml }
        this.#skus.set(key(context.traffic, row.sku), { sku, untilMs: nowMs + keepMs })
      }
    }
    return (name) => this.#skus.get(key(context.traffic, name))?.sku
  }

  async stores(context: ReadContext, ids: Iterable<string>): Promise<(id: string) => Store | undefined> {
    const nowMs = performance.now()
    const missing = [...new Set(ids)].filter((id) => (this.#stores.get(key(context.traffic, id))?.untilMs ?? 0) < nowMs)
    if (missing.length > 0) {
      for (const row of await context.query(findStores, [missing])) {
        this.#stores.set(key(context.traffic, row.id), { store: { prefix: row.prefix, currency: row.currency }, untilMs: nowMs + keepMs })
      }
    }
    return (id) => this.#stores.get(key(context.traffic, id))?.store
  }

  async putSkus(context: WriteContext, skus: readonly SkuInput[]): Promise<Outcome<{ stored: true }>[]> {
    await context.query(putSkus, [
      skus.map(({ sku }) => sku),
      skus.map(({ name }) => name),
      skus.map(({ skuType }) => skuType),
      skus.map(({ weightGrams }) => weightGrams),
      skus.map(({ volumeMl }) => volumeMl),
    ])
    context.afterCommit(() => {
      for (const { sku } of skus) this.#skus.delete(key(context.traffic, sku))
    })
    return skus.map(() => accepted({ stored: true }))
  }

  async putStores(context: WriteContext, stores: readonly StoreInput[]): Promise<Outcome<{ stored: true }>[]> {
    const rows = await context.query(putStores, [
      stores.map(({ storeId }) => storeId),
      stores.map(({ name }) => name),
      stores.map(({ prefix }) => prefix),
      stores.map(({ currency }) => currency),
    ])
    const kept = new Set(rows.map(({ id }) => id))
    return stores.map(({ storeId, prefix }) =>
      kept.has(storeId)
        ? accepted({ stored: true as const })
        : refused(
            'orders.store_fixed',
            `Prefix and currency of a store stay as they are, and ${prefix} may belong to another store.`,
            '/prefix',
          ),
    )
  }
}

const key = (traffic: Traffic, name: string): string => `${traffic} ${name}`
