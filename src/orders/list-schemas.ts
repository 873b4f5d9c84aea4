import { type Static, Type } from 'typebox'
import { flagBits, foldedStates, moneyStates } from './lifecycle.ts'
import { orNull, text } from './schemas.ts'

const before = Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description: 'cursor: `next` of the page before' }))
const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 200, description: '50 unless told' }))
const closed = { additionalProperties: false }

export const listInput = Type.Object(
  {
    storeId: Type.Optional(text('orders of this store only', 64)),
    customerId: Type.Optional(text('orders of this customer only', 64)),
    channel: Type.Optional(text('orders from this channel only', 32)),
    state: Type.Optional(Type.Enum([...foldedStates], { description: 'orders in this state only' })),
    moneyState: Type.Optional(Type.Enum([...moneyStates], { description: 'orders whose money is in this state only' })),
    attention: Type.Optional(
      Type.Enum(['any', ...(Object.keys(flagBits) as (keyof typeof flagBits)[]).filter((flag) => flag !== 'withheld')], {
        description: 'orders that call for a person: for this reason, or any',
      }),
    ),
    placedFrom: Type.Optional(Type.String({ format: 'date-time', description: 'placed at this instant or later' })),
    placedUntil: Type.Optional(Type.String({ format: 'date-time', description: 'placed before this instant' })),
    numberPrefix: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z]{2,5}(-[0-9A-Za-z]{0,6}(-[0-9A-Za-z]{0,6})?)?$',
        description: 'orders whose number begins so, such as TL-00002K; by falling number',
      }),
    ),
    before,
    limit,
  },
  closed,
)
export type ListInput = Static<typeof listInput>

const listed = Type.Object({
  orderId: Type.Integer(),
  number: Type.String(),
  storeId: Type.String(),
  customerId: Type.String(),
  channel: Type.String(),
  totalMinor: Type.Integer(),
  currency: Type.String(),
  state: Type.String(),
  moneyState: Type.String(),
  attention: Type.Array(Type.String()),
  placedAt: Type.String({ format: 'date-time' }),
  changedAt: Type.String({ format: 'date-time' }),
})
export type Listed = Static<typeof listed>

export const listOutput = Type.Object({
  orders: Type.Array(listed),
  next: orNull(
    Type.String({
      description: 'cursor for `before`; null at the end. A page of a rare state may hold fewer orders than asked, and still go on',
    }),
  ),
})
export type ListOutput = Static<typeof listOutput>

export const searchInput = Type.Object(
  {
    text: text('words to find: number, customer, receiver, postcode, city, SKU; all must be there; word* is what begins so'),
    storeId: Type.Optional(text('orders of this store only', 64)),
    before,
    limit,
  },
  closed,
)
export type SearchInput = Static<typeof searchInput>
