import { Type } from 'typebox'
import { accepted, refused } from '#kernel/outcome.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { type RequestState, requestCycle } from './lifecycle.ts'
import type { Payments } from './open-payments.ts'

const orderId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const amountMinor = Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 })
const closed = { additionalProperties: false }
const requestState = Type.Unsafe<RequestState>({ type: 'string', enum: [...requestCycle.stateNames] })

type Faces = Pick<Payments, 'payOrders' | 'cancelOrRefund' | 'receiveWebhooks' | 'findPayments'>

export function paymentOperations(payments: Faces): readonly Operation[] {
  const pay = command({
    id: 'payments.pay',
    context: 'payments',
    summary: 'Pay an order whose payment request is open: it had no means of payment yet, or its last one failed.',
    input: Type.Object(
      { orderId, instrument: Type.Object({ means: Type.Literal('card'), token: Type.String({ minLength: 1, maxLength: 200 }) }, closed) },
      closed,
    ),
    output: Type.Object({ requestId: orderId, orderId, state: requestState }, closed),
    scopes: ['payments:write', 'orders:write'],
    http: { method: 'POST', path: '/v1/payments', status: 202 },
    batch: { largest: 128, longestWaitMs: 2 },
    idempotency: 'required',
    priority: 'high',
    errors: {
      'payments.request_not_found': 404,
      'payments.already_covered': 409,
      'payments.in_progress': 409,
      'payments.bad_token': 422,
      'payments.bad_amount': 422,
      'payments.bad_currency': 422,
    },
    body: (context, asked) =>
      payments.payOrders(
        context,
        asked.map(({ input, actor, commandId }) => ({ ...input, actor: actor.id, commandId })),
      ),
  })

  const refund = command({
    id: 'payments.refund',
    context: 'payments',
    audited: true,
    summary: 'Give back a part of what an order has paid, or all of it. The amount comes off what the order owes.',
    input: Type.Object({ orderId, amountMinor: Type.Optional(amountMinor), reason: Type.String({ minLength: 1, maxLength: 200 }) }, closed),
    output: Type.Object(
      {
        requestId: Type.Union([orderId, Type.Null()]),
        orderId,
        state: Type.Union([requestState, Type.Null()]),
        refundingMinor: Type.Integer({ minimum: 0 }),
      },
      closed,
    ),
    scopes: ['payments:refund'],
    http: { method: 'POST', path: '/v1/payments/refunds', status: 202 },
    batch: { largest: 128, longestWaitMs: 2 },
    idempotency: 'required',
    priority: 'normal',
    errors: { 'payments.nothing_to_refund': 409, 'payments.refund_too_large': 409, 'payments.bad_amount': 422 },
    body: (context, asked) =>
      payments.cancelOrRefund(
        context,
        asked.map(({ input, actor, commandId }) => ({ ...input, actor: actor.id, commandId, mustBeInHand: true })),
      ),
  })

  const get = query({
    id: 'payments.get',
    context: 'payments',
    summary: 'What an order owes, has paid and got back.',
    input: Type.Object({ orderId }, closed),
    output: Type.Object(
      {
        orderId,
        requestId: orderId,
        state: requestState,
        currency: Type.String(),
        amountMinor: Type.Integer(),
        dueMinor: Type.Integer(),
        capturedMinor: Type.Integer(),
        refundedMinor: Type.Integer(),
        unknown: Type.Boolean({ description: 'True while the end of a payment is not known; the customer sees "checking".' }),
      },
      closed,
    ),
    scopes: ['payments:read', 'orders:read'],
    http: { method: 'GET', path: '/v1/payments/:orderId', batchPath: '/v1/payments/get/batch' },
    batch: { largest: 256, longestWaitMs: 1 },
    priority: 'normal',
    errors: { 'payments.request_not_found': 404 },
    async body(context, asked) {
      const found = await payments.findPayments(
        context,
        asked.map(({ input }) => input.orderId),
      )
      return asked.map(({ input }) => {
        const view = found.get(input.orderId)
        if (view === undefined) return refused('payments.request_not_found', 'No payment was ever asked for this order.', '/orderId')
        return accepted(view)
      })
    },
  })

  const webhook = command({
    id: 'payments.webhook',
    context: 'payments',
    summary: 'A gateway tells what became of a charge or a refund. Signed by the gateway; answered 200 once it is in the inbox.',
    input: Type.Object(
      {
        gateway: Type.String({ minLength: 1, maxLength: 60 }),
        id: Type.String({ minLength: 1, maxLength: 200 }),
        sentAt: Type.String({ minLength: 1, maxLength: 40 }),
        payload: Type.String({ minLength: 2, maxLength: 20_000 }),
        signature: Type.String({ minLength: 1, maxLength: 200 }),
      },
      closed,
    ),
    output: Type.Object({ first: Type.Boolean() }, closed),
    // Open to all: the signature is the proof, and it covers what is acted on.
    scopes: [],
    http: { method: 'POST', path: '/v1/payments/webhooks/:gateway', status: 200, batchPath: null },
    batch: { largest: 128, longestWaitMs: 2 },
    idempotency: 'inherent',
    // All webhooks of a gateway come from one client: its limit is that of the whole system, not that of a caller.
    limit: { perSecond: 5_000, burst: 10_000 },
    priority: 'high',
    errors: { 'payments.unknown_gateway': 404, 'payments.webhook_refused': 401, 'payments.webhook_of_other_traffic': 409 },
    body: (context, asked) =>
      payments.receiveWebhooks(
        context,
        asked.map(({ input }) => input),
      ),
  })

  return [pay, refund, get, webhook]
}
