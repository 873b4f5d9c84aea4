import { command, type Operation, query } from '#platform/operation.ts'
import type { Catalogue } from './catalogue.ts'
import { cancelOrders, unknownOrder } from './change-orders.ts'
import { type PlaceDeps, placeOrders } from './place-orders.ts'
import { getOrders, getTimelines, listOrders, resolveOrders } from './read-orders.ts'
import {
  cancelInput,
  changed,
  getInput,
  listInput,
  listOutput,
  orderView,
  placed,
  placeInput,
  skuInput,
  stored,
  storeInput,
  timelineOutput,
} from './schemas.ts'

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
      errors: {
        'orders.unknown_store': 422,
        'orders.unknown_sku': 422,
        'orders.two_currencies': 422,
        'orders.total_mismatch': 422,
        'orders.discount_too_large': 422,
        'orders.too_many_items': 422,
      },
      body: (context, asked) => placeOrders(deps, context, asked),
    }),
    command({
      id: 'orders.cancel',
      context: 'orders',
      audited: true,
      summary: 'Cancel an order or some of its items; what was paid for them is given back',
      input: cancelInput,
      output: changed,
      scopes: ['orders:write'],
      http: { method: 'POST', path: '/v1/orders/:order/cancel', batchPath: '/v1/orders/cancel/batch' },
      batch: { largest: 128, longestWaitMs: 1 },
      idempotency: 'required',
      priority: 'high',
      errors: {
        'orders.not_found': 404,
        'orders.unknown_item': 422,
        'orders.not_cancellable': 409,
        'orders.needs_warehouse_consent': 409,
        'orders.not_possible': 409,
      },
      async body(context, asked) {
        const ids = await resolveOrders(
          context,
          asked.map(({ input }) => input.order),
        )
        const known = asked.filter(({ input }) => ids.has(input.order))
        const outcomes = await cancelOrders(
          context,
          known.map(({ input, commandId, actor }) => ({
            orderId: ids.get(input.order) as number,
            itemNos: input.itemNos,
            reason: input.reason,
            commandId,
            actor: actor.id,
          })),
        )
        const outcomeOf = new Map(known.map((entry, index) => [entry, outcomes[index]]))
        return asked.map((entry) => outcomeOf.get(entry) ?? unknownOrder(entry.input.order))
      },
    }),
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
      summary: 'Orders, newest first, by customer, store and state',
      input: listInput,
      output: listOutput,
      scopes: ['orders:read', 'orders:write'],
      http: { method: 'GET', path: '/v1/orders' },
      batch: { largest: 8, longestWaitMs: 0 },
      priority: 'normal',
      errors: {},
      body: listOrders,
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
