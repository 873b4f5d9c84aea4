import { command, type Operation, query } from '#platform/operation.ts'
import type { Catalogue } from './catalogue.ts'
import { changeOperations } from './change-operations.ts'
import { claimOperations } from './claim-operations.ts'
import { explainOrders } from './explain-orders.ts'
import { placeErrors } from './place-errors.ts'
import { type PlaceDeps, placeOrders } from './place-orders.ts'
import { listOrders } from './list-orders.ts'
import { listInput, listOutput, searchInput } from './list-schemas.ts'
import { getOrders, getTimelines } from './read-orders.ts'
import { searchOrders } from './search-orders.ts'
import { explained, getInput, orderView, placed, placeInput, skuInput, stored, storeInput, timelineOutput } from './schemas.ts'

/** Everything that can be asked of orders. */
export function orderOperations(deps: PlaceDeps & { readonly catalogue: Catalogue }): Operation[] {
  return [
    command({
      id: 'orders.place',
      context: 'orders',
      summary: 'Place an order; with a payment it is charged at once',
      input: placeInput,
      output: placed,
      scopes: ['orders:write'],
      http: { method: 'POST', path: '/v1/orders', status: 201 },
      // 128: beyond it the statement grows no faster per order, while the wait of the first in line does.
      batch: { largest: 128, longestWaitMs: 3, concurrent: 1 },
      idempotency: 'required',
      priority: 'high',
      errors: placeErrors,
      body: (context, asked) => placeOrders(deps, context, asked),
    }),
    ...changeOperations(deps),
    ...claimOperations(deps.catalogue),
    query({
      id: 'orders.get',
      context: 'orders',
      summary: 'One order, whole, by number or id',
      input: getInput,
      output: orderView,
      scopes: ['orders:read', 'orders:write'],
      http: { method: 'GET', path: '/v1/orders/:order' },
      batch: { largest: 128, longestWaitMs: 0, concurrent: 3 },
      priority: 'normal',
      errors: { 'orders.not_found': 404 },
      body: getOrders,
    }),
    query({
      id: 'orders.list',
      context: 'orders',
      summary: 'Orders, newest first, by store, customer, channel, states, attention, time and number',
      input: listInput,
      output: listOutput,
      scopes: ['orders:read', 'orders:write'],
      http: { method: 'GET', path: '/v1/orders' },
      batch: { largest: 8, longestWaitMs: 0 },
      priority: 'normal',
      errors: { 'orders.bad_cursor': 422, 'orders.bad_time': 422 },
      body: listOrders,
    }),
    query({
      id: 'orders.search',
      context: 'orders',
      summary: 'Orders by words in them, newest first: number, customer, receiver, postcode, city, SKU',
      input: searchInput,
      output: listOutput,
      scopes: ['orders:read', 'orders:write'],
      http: { method: 'GET', path: '/v1/orders/search' },
      batch: { largest: 8, longestWaitMs: 0 },
      priority: 'normal',
      errors: { 'orders.bad_cursor': 422, 'orders.nothing_to_find': 422 },
      body: searchOrders,
    }),
    query({
      id: 'orders.timeline',
      context: 'orders',
      summary: 'Everything that changed in an order, with its cause',
      input: getInput,
      output: timelineOutput,
      scopes: ['orders:read', 'orders:write'],
      http: { method: 'GET', path: '/v1/orders/:order/timeline' },
      batch: { largest: 32, longestWaitMs: 0 },
      priority: 'normal',
      errors: { 'orders.not_found': 404 },
      body: getTimelines,
    }),
    query({
      id: 'orders.explain',
      context: 'orders',
      summary: 'Why an order is where it is: each state with what makes it so and the causes that led there',
      input: getInput,
      output: explained,
      scopes: ['orders:read', 'orders:write'],
      http: { method: 'GET', path: '/v1/orders/:order/explain' },
      batch: { largest: 32, longestWaitMs: 0 },
      priority: 'low',
      errors: { 'orders.not_found': 404 },
      body: explainOrders,
    }),
    command({
      id: 'orders.put_store',
      context: 'orders',
      audited: true,
      summary: 'Register a store or rename it',
      input: storeInput,
      output: stored,
      scopes: ['catalogue:write'],
      http: { method: 'PUT', path: '/v1/stores/:storeId' },
      batch: { largest: 128, longestWaitMs: 0 },
      idempotency: 'inherent',
      priority: 'normal',
      errors: { 'orders.store_fixed': 409 },
      body: (context, asked) =>
        deps.catalogue.putStores(
          context,
          asked.map(({ input }) => input),
        ),
    }),
    command({
      id: 'orders.put_sku',
      context: 'orders',
      summary: 'Register a SKU or change its name, type and size',
      input: skuInput,
      output: stored,
      scopes: ['catalogue:write'],
      http: { method: 'PUT', path: '/v1/skus/:sku', batchPath: '/v1/skus/batch' },
      batch: { largest: 1_000, longestWaitMs: 0 },
      idempotency: 'inherent',
      priority: 'normal',
      errors: {},
      body: (context, asked) =>
        deps.catalogue.putSkus(
          context,
          asked.map(({ input }) => input),
        ),
    }),
  ]
}
