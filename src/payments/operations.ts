import { Type } from 'typebox'
import { accepted } from '#kernel/outcome.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import { attemptCycle, legCycle, requestCycle } from './lifecycle.ts'
import type { Payments } from './open-payments.ts'
import { requestNotFound } from './pay-payments.ts'
import { meansNames, plannedLeg } from './payment-plan.ts'

const orderId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const part = Type.Integer({
  minimum: 0,
  maximum: 32_767,
  description: '0: the order as a whole; 1 to 999 a section; from 1000 a later difference',
})
const amountMinor = Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 })
const minor = Type.Integer()
const reason = Type.String({ minLength: 1, maxLength: 200 })
const closed = { additionalProperties: false }
const requestState = Type.Enum([...requestCycle.stateNames])
const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(of: T) => Type.Union([of, Type.Null()])

const action = Type.Union([
  Type.Object({ kind: Type.Literal('redirect'), url: Type.String() }, closed),
  Type.Object({ kind: Type.Literal('transfer'), reference: Type.String(), instructions: Type.String() }, closed),
])

const legView = Type.Object(
  {
    legId: orderId,
    means: Type.Enum([...meansNames]),
    payer: nullable(Type.String()),
    state: Type.Enum([...legCycle.stateNames]),
    amountMinor: minor,
    authorizedMinor: Type.Integer({ description: 'set aside and not yet taken' }),
    capturedMinor: minor,
    refundedMinor: minor,
    instalments: Type.Integer(),
    dueAt: nullable(Type.String()),
    gateway: nullable(Type.String()),
    attempt: nullable(Type.Enum([...attemptCycle.stateNames])),
    action: nullable(action),
  },
  closed,
)

const sums = {
  dueMinor: minor,
  authorizedMinor: minor,
  capturedMinor: minor,
  refundedMinor: minor,
  goodwillMinor: minor,
  disputedMinor: minor,
  unknown: Type.Boolean({ description: 'True while the end of a payment is not known; the customer sees "checking".' }),
}

const paymentView = Type.Object(
  {
    orderId,
    currency: Type.String(),
    ...sums,
    requests: Type.Array(
      Type.Object(
        {
          requestId: orderId,
          part,
          state: requestState,
          amountMinor: minor,
          ...sums,
          expiresAt: nullable(Type.String()),
          legs: Type.Array(legView),
        },
        closed,
      ),
    ),
  },
  closed,
)

type Faces = Pick<Payments, 'payPayments' | 'cancelOrRefund' | 'captureFor' | 'receiveWebhooks' | 'findPayments'>

export function paymentOperations(payments: Faces): readonly Operation[] {
  const pay = command({
    id: 'payments.pay',
    context: 'payments',
    summary: 'Pay a part of an order, or a share of it: it had no means of payment yet, its last one failed, or several payers share it.',
    input: Type.Object({ orderId, part: Type.Optional(part), legs: Type.Array(plannedLeg, { minItems: 1, maxItems: 12 }) }, closed),
    output: Type.Object({ requestId: orderId, orderId, part, state: requestState }, closed),
    scopes: ['payments:write', 'orders:write'],
    http: { method: 'POST', path: '/v1/payments', status: 202 },
    batch: { largest: 128, longestWaitMs: 2 },
    idempotency: 'required',
    priority: 'high',
    errors: {
      'payments.request_not_found': 404,
      'payments.already_covered': 409,
      'payments.in_progress': 409,
      'payments.bad_plan': 422,
      'payments.unknown_card': 404,
      'payments.no_gateway': 422,
    },
    body: (context, asked) =>
      payments.payPayments(
        context,
        asked.map(({ input, actor, commandId }) => ({ ...input, part: input.part ?? 0, actor: actor.id, commandId })),
      ),
  })

  const refund = command({
    id: 'payments.refund',
    context: 'payments',
    audited: true,
    summary: 'Give back what an order has paid, of one part or of all. It comes off what the order owes, unless it is goodwill.',
    input: Type.Object(
      {
        orderId,
        part: Type.Optional(part),
        amountMinor: Type.Optional(amountMinor),
        kind: Type.Optional(
          Type.Enum(['cancel', 'claim', 'price_difference', 'goodwill'], {
            description: 'claim unless told; goodwill leaves what is due as it is',
          }),
        ),
        to: Type.Optional(
          Type.Enum(['means', 'wallet'], { description: 'goodwill: to the means that paid (unless told), or to the customer’s wallet' }),
        ),
        reason,
      },
      closed,
    ),
    output: Type.Object(
      {
        orderId,
        refundingMinor: Type.Integer({ minimum: 0 }),
        parts: Type.Array(
          Type.Object({ part, requestId: orderId, state: requestState, refundingMinor: Type.Integer({ minimum: 0 }) }, closed),
        ),
      },
      closed,
    ),
    scopes: ['payments:refund'],
    http: { method: 'POST', path: '/v1/payments/refunds', status: 202 },
    batch: { largest: 128, longestWaitMs: 2 },
    idempotency: 'required',
    priority: 'normal',
    errors: {
      'payments.nothing_to_refund': 409,
      'payments.refund_too_large': 409,
      'payments.no_gateway': 422,
      'payments.bad_amount': 422,
    },
    body: (context, asked) =>
      payments.cancelOrRefund(
        context,
        asked.map(({ input, actor, commandId }) => {
          const { orderId: id, part: of, amountMinor: amount, kind = 'claim', to, reason: why } = input
          // Without a part, an amount is of the order as a whole; without both, all of all parts goes back.
          const whole = of === undefined && amount === undefined
          const parts = whole ? [] : [{ part: of ?? 0, ...(amount === undefined ? {} : { amountMinor: amount }) }]
          const asks = { orderId: id, parts, whole, kind, reason: why, actor: actor.id, commandId, mustBeInHand: true }
          return to === undefined ? asks : { ...asks, to }
        }),
      ),
  })

  const capture = command({
    id: 'payments.capture',
    context: 'payments',
    audited: true,
    summary: 'Take what is set aside for a part of an order: it has shipped, or the courier was paid.',
    input: Type.Object(
      {
        orderId,
        part: Type.Optional(part),
        amountMinor: Type.Optional(amountMinor),
        last: Type.Optional(Type.Boolean({ description: 'nothing more will be captured: what is left is let go; false unless told' })),
      },
      closed,
    ),
    output: Type.Object({ requestId: orderId, orderId, part, capturingMinor: Type.Integer({ minimum: 0 }) }, closed),
    scopes: ['payments:capture'],
    http: { method: 'POST', path: '/v1/payments/captures', status: 202 },
    batch: { largest: 128, longestWaitMs: 2 },
    idempotency: 'required',
    priority: 'normal',
    errors: { 'payments.request_not_found': 404, 'payments.capture_too_large': 409, 'payments.bad_amount': 422 },
    body: (context, asked) =>
      payments.captureFor(
        context,
        asked.map(({ input, actor, commandId }) => {
          const { part: of = 0, last = false, ...rest } = input
          return { ...rest, part: of, last, actor: actor.id, commandId, exact: true }
        }),
      ),
  })

  const get = query({
    id: 'payments.get',
    context: 'payments',
    summary: 'What an order owes, has paid and got back: all parts with their means, and what the customer has to do now.',
    input: Type.Object({ orderId }, closed),
    output: paymentView,
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
        return view === undefined ? requestNotFound() : accepted(view)
      })
    },
  })

  const webhook = command({
    id: 'payments.webhook',
    context: 'payments',
    summary:
      'A gateway tells what became of a charge, a capture, a void or a refund, or of a dispute. Signed by the gateway; answered 200 once it is in the inbox.',
    input: Type.Object(
      {
        gateway: Type.String({ minLength: 1, maxLength: 60 }),
        headers: Type.Record(Type.String({ maxLength: 200 }), Type.String({ maxLength: 8_192 }), { maxProperties: 200 }),
        body: Type.String({ maxLength: 200_000, description: 'as it was signed' }),
      },
      closed,
    ),
    output: Type.Object({ first: Type.Boolean() }, closed),
    // Open to all: the signature is the proof, and it covers what is acted on.
    scopes: [],
    http: { method: 'POST', path: '/v1/payments/webhooks/:gateway', status: 200, batchPath: null, raw: true },
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

  return [pay, refund, capture, get, webhook]
}
