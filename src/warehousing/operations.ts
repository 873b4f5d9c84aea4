import { type Static, Type } from 'typebox'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import { instantIn } from '#kernel/time.ts'
import { type Asked, command, type Operation, query } from '#platform/operation.ts'
import {
  cancelSalesOrders,
  type ChangedSalesOrder,
  type ReportSalesOrder,
  reportSalesOrders,
  unknownSalesOrder,
  updateSalesOrdersBy,
} from './change-sales-orders.ts'
import { salesOrderLifeCycle } from './lifecycle.ts'
import { createSalesOrders, type FindPreparable } from './make-sales-orders.ts'
import { pickFlows, reports, type SalesOrder, shortPolicies, skuTypes } from './sales-order.ts'
import { historyOf, salesOrdersById, workOf } from './sales-order-store.ts'
import { transferSalesOrders } from './transfer-sales-orders.ts'
import { allWarehouses, putWarehouses } from './warehouse-store.ts'

const exact = { additionalProperties: false }
const Id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const ItemNo = Type.Integer({ minimum: 1, maximum: 32_767 })
const Quantity = Type.Integer({ minimum: 1, maximum: 10_000 })
const Code = Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$', description: 'code of a warehouse' })
const Reason = Type.String({ minLength: 1, maxLength: 200 })
const Note = Type.Optional(Type.String({ minLength: 1, maxLength: 500 }))
const State = Type.Enum([...salesOrderLifeCycle.stateNames])
const Flow = Type.Enum([...pickFlows])
const Wave = Type.Union([Type.String({ minLength: 1, maxLength: 64 }), Type.Null()])
const SkuType = Type.Enum([...skuTypes])
const orNull = <T extends ReturnType<typeof Type.String> | typeof Id>(schema: T) => Type.Union([schema, Type.Null()])
const Lines = Type.Array(Type.Object({ itemNo: ItemNo, sku: Type.String({ minLength: 1, maxLength: 64 }), quantity: Quantity }, exact), {
  minItems: 1,
  maxItems: 500,
})

const Changed = Type.Object({ salesOrderId: Id, state: State, version: Type.Integer(), changed: Type.Boolean() }, exact)
const by = ({ actor, commandId }: Asked<unknown>) => ({ actor: actor.id, commandId })
const whyOf = ({ reason, note }: { reason: string; note?: string }): string => (note === undefined ? reason : `${reason} (${note})`)

/** What all commands on sales orders share. */
const ofSalesOrders = {
  context: 'warehousing',
  scopes: ['sales-orders:write'],
  batch: { largest: 1000, longestWaitMs: 1, largestRequest: 1000 },
  priority: 'normal',
  idempotency: 'inherent',
} as const

const createWith = (findPreparable: FindPreparable) =>
  command({
    id: 'sales_orders.create',
    ...ofSalesOrders,
    audited: true,
    summary:
      'Tells a warehouse to prepare a released waybill that has no sales order, or lines of its own; the same reference again makes nothing',
    input: Type.Object(
      {
        reference: Type.String({ minLength: 1, maxLength: 100 }),
        warehouse: Code,
        pickFlow: Type.Optional(Flow),
        wave: Type.Optional(Wave),
        waybillId: Type.Optional(orNull(Id)),
        skuType: Type.Optional(SkuType),
        lines: Type.Optional(Lines),
      },
      exact,
    ),
    output: Type.Object({ salesOrderId: Id, waybillId: orNull(Id), created: Type.Boolean() }, exact),
    http: { method: 'POST', path: '/v1/sales-orders', batchPath: '/v1/sales-orders/batch', status: 201 },
    errors: {
      'warehousing.unknown_warehouse': 422,
      'warehousing.two_targets': 422,
      'warehousing.named_twice': 422,
      'warehousing.not_preparable': 409,
      'warehousing.has_one_already': 409,
      'warehousing.reference_taken': 409,
    },
    body: (context, asked) =>
      createSalesOrders(
        context,
        asked.map((one) => ({ ...one.input, madeBy: one.actor.id, ...by(one) })),
        findPreparable,
      ),
  })

const update = command({
  id: 'sales_orders.update',
  ...ofSalesOrders,
  summary: 'Gives a sales order another pick flow, wave or lines, until it is picked; with a waybill, its lines are those of the waybill',
  input: Type.Object({ salesOrderId: Id, pickFlow: Type.Optional(Flow), wave: Type.Optional(Wave), lines: Type.Optional(Lines) }, exact),
  output: Changed,
  http: { method: 'PUT', path: '/v1/sales-orders/:salesOrderId', batchPath: '/v1/sales-orders/updates' },
  errors: {
    'warehousing.unknown_sales_order': 404,
    'warehousing.named_twice': 422,
    'warehousing.is_over': 409,
    'warehousing.already_picked': 409,
    'warehousing.follows_waybill': 409,
  },
  body: (context, asked) =>
    updateSalesOrdersBy(
      context,
      asked.map((one) => ({ ...one.input, ...by(one) })),
    ),
})

const cancel = command({
  id: 'sales_orders.cancel',
  ...ofSalesOrders,
  audited: true,
  summary: 'Calls a sales order off until it is picked; its waybill is held until it has another one',
  input: Type.Object({ salesOrderId: Id, reason: Reason, note: Note }, exact),
  output: Changed,
  http: { method: 'POST', path: '/v1/sales-orders/:salesOrderId/cancel', batchPath: '/v1/sales-orders/cancel/batch' },
  errors: { 'warehousing.unknown_sales_order': 404, 'warehousing.is_over': 409, 'warehousing.already_picked': 409 },
  body: (context, asked) =>
    cancelSalesOrders(
      context,
      asked.map((one) => ({ salesOrderId: one.input.salesOrderId, reason: whyOf(one.input), ...by(one) })),
    ),
})

const transfer = command({
  id: 'sales_orders.transfer',
  ...ofSalesOrders,
  audited: true,
  summary: 'Hands a sales order over to another warehouse until somebody picks; both are told',
  input: Type.Object({ salesOrderId: Id, warehouse: Code, reason: Reason, note: Note }, exact),
  output: Type.Object({ salesOrderId: Id, transferredFrom: Id, warehouse: Code, changed: Type.Boolean() }, exact),
  http: { method: 'POST', path: '/v1/sales-orders/:salesOrderId/transfer', batchPath: '/v1/sales-orders/transfer/batch' },
  errors: {
    'warehousing.unknown_sales_order': 404,
    'warehousing.unknown_warehouse': 422,
    'warehousing.is_over': 409,
    'warehousing.already_picking': 409,
  },
  body: (context, asked) =>
    transferSalesOrders(
      context,
      asked.map((one) => ({ salesOrderId: one.input.salesOrderId, warehouse: one.input.warehouse, reason: whyOf(one.input), ...by(one) })),
    ),
})

const farthestAheadMs = 30 * 24 * 3600 * 1000

const report = command({
  id: 'sales_orders.report',
  ...ofSalesOrders,
  summary:
    'What a warehouse says of a sales order: accepted, picking, short (pieces of lines are missing), picked, packed. A later report includes those before it; one on a sales order that was called off has no effect',
  input: Type.Object(
    {
      salesOrderId: Id,
      report: Type.Enum([...reports]),
      lines: Type.Optional(
        Type.Array(Type.Object({ itemNo: ItemNo, picked: Type.Integer({ minimum: 0, maximum: 10_000 }) }, exact), {
          minItems: 1,
          maxItems: 500,
          description: 'with short and picked: how many pieces there are; what is not named is there whole',
        }),
      ),
      reason: Type.Optional(Reason),
      readyAt: Type.Optional(
        Type.String({
          format: 'date-time',
          description: 'before packed: when it will be ready; its truck leaves no sooner. The last word holds',
        }),
      ),
    },
    exact,
  ),
  output: Changed,
  http: { method: 'POST', path: '/v1/sales-orders/:salesOrderId/reports', batchPath: '/v1/sales-orders/reports' },
  priority: 'high',
  errors: {
    'warehousing.unknown_sales_order': 404,
    'warehousing.unknown_line': 422,
    'warehousing.named_twice': 422,
    'warehousing.lines_wanted': 422,
    'warehousing.no_lines_wanted': 422,
    'warehousing.is_ready': 422,
    'warehousing.not_an_instant': 422,
    'warehousing.in_the_future': 422,
  },
  body: async (context, asked) => {
    const read = asked.map((one): Outcome<ReportSalesOrder> => {
      const { readyAt, ...input } = one.input
      const reported = { ...input, ...by(one) }
      if (readyAt === undefined) return accepted(reported)
      // The format of the schema lets a leap second pass, which Date does not know.
      const at = instantIn(readyAt)
      if (at === undefined) return refused('warehousing.not_an_instant', `${readyAt} is no instant that exists`, '/readyAt')
      if (at.getTime() > context.now.getTime() + farthestAheadMs)
        return refused('warehousing.in_the_future', `${readyAt} is more than 30 days ahead`, '/readyAt')
      return accepted({ ...reported, readyAt: at })
    })
    const commands = read.flatMap((one) => (one.ok ? one.value : []))
    const done = (await reportSalesOrders(context, commands)).values()
    return read.map((one) => (one.ok ? (done.next().value as Outcome<ChangedSalesOrder>) : one))
  },
})

const View = Type.Object(
  {
    salesOrderId: Id,
    warehouse: Code,
    waybillId: orNull(Id),
    orderId: orNull(Id),
    orderNumber: orNull(Type.String()),
    pickFlow: Flow,
    wave: Wave,
    shortPolicy: Type.Enum([...shortPolicies]),
    skuType: SkuType,
    slot: Type.Union([Type.Object({ date: Type.String(), code: Type.String() }, exact), Type.Null()]),
    lines: Type.Array(
      Type.Object({ itemNo: ItemNo, sku: Type.String(), quantity: Type.Integer(), picked: Type.Integer(), short: Type.Integer() }, exact),
    ),
    readyAt: orNull(Type.String()),
    state: State,
    version: Type.Integer(),
    transferredFrom: orNull(Id),
    reference: orNull(Type.String()),
    createdAt: Type.String(),
    movedAt: Type.String(),
  },
  exact,
)

function viewOf(order: SalesOrder): Static<typeof View> {
  const { ask: _ask, madeBy: _madeBy, destination: _destination, slot, lines, readyAt, createdAt, movedAt, ...rest } = order
  return {
    ...rest,
    slot: slot === null ? null : { ...slot },
    lines: lines.map((line) => ({ ...line })),
    readyAt: readyAt?.toISOString() ?? null,
    createdAt: createdAt.toISOString(),
    movedAt: movedAt.toISOString(),
  }
}

const get = query({
  id: 'sales_orders.get',
  context: 'warehousing',
  summary: 'A sales order with its history',
  input: Type.Object({ salesOrderId: Id }, exact),
  output: Type.Object(
    {
      salesOrder: View,
      history: Type.Array(
        Type.Object(
          { level: Type.String(), from: Type.String(), to: Type.String(), cause: Type.String(), actor: Type.String(), at: Type.String() },
          exact,
        ),
      ),
    },
    exact,
  ),
  scopes: ['sales-orders:read'],
  http: { method: 'GET', path: '/v1/sales-orders/:salesOrderId' },
  batch: { largest: 200, longestWaitMs: 0 },
  priority: 'normal',
  errors: { 'warehousing.unknown_sales_order': 404 },
  body: async (context, asked) => {
    const ids = asked.map(({ input }) => input.salesOrderId)
    const [orders, histories] = await Promise.all([salesOrdersById(context, ids), historyOf(context, ids)])
    return ids.map((id) => {
      const order = orders.get(id)
      if (order === undefined) return unknownSalesOrder(id)
      const history = (histories.get(id) ?? []).map(({ level, from_state: from, to_state: to, cause, actor, occurred_at: at }) => ({
        level,
        from,
        to,
        cause,
        actor,
        at: at.toISOString(),
      }))
      return accepted({ salesOrder: viewOf(order), history })
    })
  },
})

const list = query({
  id: 'sales_orders.list',
  context: 'warehousing',
  summary: 'What a warehouse has to do, in one state, by rising id; `next` is the cursor of the next page, null at the end',
  input: Type.Object(
    {
      warehouse: Code,
      state: Type.Enum(['created', 'accepted', 'picking', 'picked']),
      after: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
      limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    },
    exact,
  ),
  output: Type.Object({ salesOrders: Type.Array(View), next: orNull(Id) }, exact),
  scopes: ['sales-orders:read'],
  http: { method: 'GET', path: '/v1/sales-orders' },
  batch: { largest: 20, longestWaitMs: 0 },
  priority: 'low',
  errors: {},
  body: async (context, asked) => {
    const pages = asked.map(({ input: { warehouse, state, after = 0, limit = 100 } }) => ({ warehouse, state, after, limit }))
    return (await workOf(context, pages)).map((orders, index) => {
      const full = orders.length === pages[index]?.limit
      return accepted({ salesOrders: orders.map(viewOf), next: full ? (orders.at(-1)?.salesOrderId ?? null) : null })
    })
  },
})

const WarehouseView = Type.Object(
  {
    warehouse: Code,
    name: Type.String({ minLength: 1, maxLength: 200 }),
    pickFlow: Flow,
    shortPolicy: Type.Enum([...shortPolicies], {
      description: 'what becomes of missing pieces: the order gives them up, or waits for them',
    }),
    skuTypes: Type.Array(SkuType, {
      maxItems: 3,
      description: 'waybills of these kinds go to the first warehouse by code that has their kind',
    }),
  },
  exact,
)

const putWarehouse = command({
  id: 'warehouses.put',
  context: 'warehousing',
  summary: 'Says how a warehouse works; a new code is a new warehouse',
  input: WarehouseView,
  output: Type.Object({ warehouse: Code }, exact),
  scopes: ['warehouses:write'],
  http: { method: 'PUT', path: '/v1/warehouses/:warehouse', batchPath: null },
  batch: { largest: 100, longestWaitMs: 1, concurrent: 1 },
  idempotency: 'inherent',
  priority: 'low',
  audited: true,
  errors: { 'warehousing.nobody_prepares': 409 },
  body: (context, asked) =>
    putWarehouses(
      context,
      asked.map(({ input }) => input),
    ),
})

const listWarehouses = query({
  id: 'warehouses.list',
  context: 'warehousing',
  summary: 'All warehouses, by code',
  input: Type.Object({}, exact),
  output: Type.Object({ warehouses: Type.Array(WarehouseView) }, exact),
  scopes: ['sales-orders:read', 'warehouses:write'],
  http: { method: 'GET', path: '/v1/warehouses' },
  batch: { largest: 50, longestWaitMs: 0 },
  priority: 'low',
  errors: {},
  body: async (context, asked) => {
    const warehouses = (await allWarehouses(context)).map((each) => ({ ...each, skuTypes: [...each.skuTypes] }))
    return asked.map(() => accepted({ warehouses }))
  },
})

export const salesOrderOperations = (findPreparable: FindPreparable): readonly Operation[] => [
  createWith(findPreparable),
  update,
  cancel,
  transfer,
  report,
  get,
  list,
  putWarehouse,
  listWarehouses,
]
