import { Type } from 'typebox'
import { accepted, type Outcome } from '#kernel/outcome.ts'
import type { ReadContext, WriteContext } from '#platform/database.ts'
import { command, type Operation, query } from '#platform/operation.ts'
import type { BindCard, BindingView, CardView } from './bind-cards.ts'
import { bindingCycle } from './lifecycle.ts'

const closed = { additionalProperties: false }
const id = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })
const customerId = Type.String({ minLength: 1, maxLength: 64 })

const binding = Type.Object(
  {
    bindingId: id,
    customerId,
    gateway: Type.String(),
    state: Type.Enum([...bindingCycle.stateNames]),
    action: Type.Union([
      Type.Object({ kind: Type.Literal('redirect'), url: Type.String() }, closed),
      Type.Object({ kind: Type.Literal('transfer'), reference: Type.String(), instructions: Type.String() }, closed),
      Type.Null(),
    ]),
    cardId: Type.Union([id, Type.Null()]),
    reason: Type.Union([Type.String(), Type.Null()]),
  },
  closed,
)

const card = Type.Object(
  { cardId: id, gateway: Type.String(), brand: Type.String(), lastFour: Type.String(), expires: Type.String(), country: Type.String() },
  closed,
)

interface Faces {
  bindCards(context: WriteContext, commands: readonly BindCard[]): Promise<Outcome<BindingView>[]>
  finishBindings(context: WriteContext, commands: readonly { customerId: string; bindingId: number }[]): Promise<Outcome<BindingView>[]>
  listCardsOf(context: ReadContext, customerIds: readonly string[]): Promise<CardView[][]>
  removeCards(context: WriteContext, commands: readonly { customerId: string; cardId: number }[]): Promise<Outcome<{ cardId: number }>[]>
}

export function cardOperations(cards: Faces): readonly Operation[] {
  const bind = command({
    id: 'payments.bind_card',
    context: 'payments',
    audited: true,
    summary: 'Keep a customer’s card at a gateway. The gateway is asked after the answer; payments.finish_binding tells what came of it.',
    input: Type.Object(
      {
        customerId,
        gateway: Type.String({ minLength: 1, maxLength: 40 }),
        token: Type.String({ pattern: '^[\\x21-\\x7e]{1,200}$', description: 'one-time token of the gateway’s form; never a card number' }),
        returnUrl: Type.String({ pattern: '^https?://[\\x21-\\x7e]{1,2000}$', description: 'where the browser goes after 3-D Secure' }),
      },
      closed,
    ),
    output: binding,
    scopes: ['cards:write'],
    http: { method: 'POST', path: '/v1/payments/cards', status: 202 },
    batch: { largest: 64, longestWaitMs: 1 },
    idempotency: 'required',
    priority: 'normal',
    errors: { 'payments.unknown_gateway': 404, 'payments.cannot_bind': 422 },
    body: (context, asked) =>
      cards.bindCards(
        context,
        asked.map(({ input, actor, commandId }) => ({ ...input, actor: actor.id, commandId })),
      ),
  })

  const finish = command({
    id: 'payments.finish_binding',
    context: 'payments',
    summary:
      'Where the keeping of a card stands. While it has no end its gateway is asked again, such as after the customer has acted; ask until it has.',
    input: Type.Object({ customerId, bindingId: id }, closed),
    output: binding,
    scopes: ['cards:write'],
    http: { method: 'POST', path: '/v1/payments/cards/bindings/:bindingId', status: 200, batchPath: '/v1/payments/cards/bindings/batch' },
    batch: { largest: 64, longestWaitMs: 1 },
    idempotency: 'inherent',
    priority: 'normal',
    errors: { 'payments.unknown_binding': 404 },
    body: (context, asked) =>
      cards.finishBindings(
        context,
        asked.map(({ input }) => input),
      ),
  })

  const list = query({
    id: 'payments.list_cards',
    context: 'payments',
    summary: 'The cards that a customer keeps. A payment names one as card:<cardId>.',
    input: Type.Object({ customerId }, closed),
    output: Type.Object({ cards: Type.Array(card) }, closed),
    scopes: ['cards:read', 'cards:write'],
    http: { method: 'GET', path: '/v1/payments/cards', batchPath: '/v1/payments/cards/list/batch' },
    batch: { largest: 64, longestWaitMs: 1 },
    priority: 'normal',
    errors: {},
    async body(context, asked) {
      const lists = await cards.listCardsOf(
        context,
        asked.map(({ input }) => input.customerId),
      )
      return lists.map((found) => accepted({ cards: found }))
    },
  })

  const remove = command({
    id: 'payments.remove_card',
    context: 'payments',
    audited: true,
    summary: 'Forget a kept card: it is not offered and not charged any more. What was paid with it can still be refunded.',
    input: Type.Object({ customerId, cardId: id }, closed),
    output: Type.Object({ cardId: id }, closed),
    scopes: ['cards:write'],
    http: { method: 'DELETE', path: '/v1/payments/cards/:cardId', status: 200, batchPath: '/v1/payments/cards/remove/batch' },
    batch: { largest: 64, longestWaitMs: 1 },
    idempotency: 'inherent',
    priority: 'normal',
    errors: { 'payments.unknown_card': 404 },
    body: (context, asked) =>
      cards.removeCards(
        context,
        asked.map(({ input }) => input),
      ),
  })

  return [bind, finish, list, remove]
}
