import { type Static, Type } from 'typebox'

/** Largest amount of one line or total, minor units; sums of 25,000 lines of it stay exact. */
const amount = (about: string) =>
  Type.Integer({ minimum: 0, maximum: 100_000_000_000, description: `${about}, minor units of the order's currency` })
const text = (about: string, most = 200) => Type.String({ minLength: 1, maxLength: most, description: about })
const currency = Type.String({ pattern: '^[A-Z]{3}$', description: 'ISO 4217 code, such as CAD' })
const closed = { additionalProperties: false }

const destination = Type.Object(
  {
    name: text('who receives it'),
    line1: text('street and number'),
    city: text('city', 100),
    postcode: text('postcode', 16),
    country: Type.String({ pattern: '^[A-Z]{2}$', description: 'ISO 3166-1 alpha-2 code' }),
    lat: Type.Optional(Type.Number({ minimum: -90, maximum: 90, description: 'degrees, WGS 84' })),
    lng: Type.Optional(Type.Number({ minimum: -180, maximum: 180, description: 'degrees, WGS 84' })),
  },
  closed,
)

const slot = Type.Object(
  {
    date: Type.String({ pattern: '^\\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\\d|3[01])$', description: 'local date of the zone, YYYY-MM-DD' }),
    code: text('slot of the zone, such as AM', 16),
  },
  closed,
)

const item = Type.Object(
  {
    sku: text('a registered SKU', 64),
    quantity: Type.Integer({ minimum: 1, maximum: 10_000, description: 'pieces' }),
    unitPriceMinor: amount('price of one piece'),
    discountMinor: Type.Optional(amount('discount on the line')),
    taxMinor: Type.Optional(amount('tax added to the line')),
    currency: Type.Optional(currency),
  },
  closed,
)

export const placeInput = Type.Object(
  {
    storeId: text('the store whose order it is', 64),
    customerId: text('the customer, by the store’s own id', 64),
    channel: Type.Optional(text('where it was placed, such as web', 32)),
    currency,
    totalMinor: amount('what the customer agreed to pay: lines and shipping together'),
    payment: Type.Optional(
      Type.Object(
        {
          means: Type.Literal('card'),
          token: Type.String({ pattern: '^[\\x21-\\x7e]{1,128}$', description: 'token of the card at the gateway, such as tok_ok' }),
          currency: Type.Optional(currency),
        },
        closed,
      ),
    ),
    sections: Type.Array(
      Type.Object(
        {
          destination,
          slot: Type.Optional(slot),
          merchantId: Type.Optional(text('merchant or warehouse that prepares it', 64)),
          shippingMinor: Type.Optional(amount('shipping of this section')),
          items: Type.Array(item, { minItems: 1, maxItems: 500 }),
        },
        closed,
      ),
      { minItems: 1, maxItems: 50 },
    ),
  },
  closed,
)
export type PlaceInput = Static<typeof placeInput>

const orderId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })

export const placed = Type.Object({ orderId, number: Type.String(), state: Type.String(), totalMinor: Type.Integer() })
export type Placed = Static<typeof placed>

export const cancelInput = Type.Object(
  {
    order: text('order number or id', 40),
    itemNos: Type.Optional(Type.Array(Type.Integer({ minimum: 1, maximum: 32_767 }), { minItems: 1, maxItems: 500 })),
    reason: text('why, for the log', 200),
  },
  closed,
)

export const changed = Type.Object({ orderId, number: Type.String(), state: Type.String(), moneyState: Type.String() })
export type Changed = Static<typeof changed>

export const getInput = Type.Object({ order: text('order number or id', 40) }, closed)

const when = Type.String({ format: 'date-time' })
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) => Type.Union([type, Type.Null()])

export const orderView = Type.Object({
  orderId,
  number: Type.String(),
  storeId: Type.String(),
  customerId: Type.String(),
  channel: Type.String(),
  currency,
  totalMinor: Type.Integer(),
  state: Type.String({ description: 'goods: folded from the sections' }),
  moneyState: Type.String({ description: 'money: none, partial, authorized, captured, partially_refunded, refunded, over' }),
  attention: Type.Array(Type.String()),
  placedAt: when,
  changedAt: when,
  sections: Type.Array(
    Type.Object({
      sectionNo: Type.Integer(),
      state: Type.String(),
      destination,
      slot: orNull(slot),
      merchantId: orNull(Type.String()),
      shippingMinor: Type.Integer(),
      items: Type.Array(
        Type.Object({
          itemNo: Type.Integer(),
          sku: Type.String(),
          skuType: Type.String(),
          quantity: Type.Integer(),
          unitPriceMinor: Type.Integer(),
          discountMinor: Type.Integer(),
          taxMinor: Type.Integer(),
          state: Type.String(),
        }),
      ),
    }),
  ),
})
export type OrderView = Static<typeof orderView>

export const listInput = Type.Object(
  {
    customerId: Type.Optional(text('orders of this customer only', 64)),
    storeId: Type.Optional(text('orders of this store only', 64)),
    state: Type.Optional(text('orders in this state only', 32)),
    before: Type.Optional(Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'cursor: orders older than this id' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, description: '50 unless told' })),
  },
  closed,
)

export const listOutput = Type.Object({
  orders: Type.Array(
    Type.Object({
      orderId,
      number: Type.String(),
      storeId: Type.String(),
      customerId: Type.String(),
      totalMinor: Type.Integer(),
      currency,
      state: Type.String(),
      moneyState: Type.String(),
      placedAt: when,
    }),
  ),
  next: orNull(Type.Integer({ description: 'cursor for `before`; null at the end' })),
})
export type ListOutput = Static<typeof listOutput>

export const timelineOutput = Type.Object({
  changes: Type.Array(
    Type.Object({
      sequence: Type.Integer(),
      level: Type.String(),
      entity: Type.String(),
      from: orNull(Type.String()),
      to: Type.String(),
      cause: Type.String(),
      commandId: Type.String(),
      actor: Type.String(),
      occurredAt: when,
    }),
  ),
})

export const storeInput = Type.Object(
  { storeId: text('id of the store', 64), name: text('name'), prefix: Type.String({ pattern: '^[A-Y][A-Z]{1,3}$' }), currency },
  closed,
)
export const skuInput = Type.Object(
  {
    sku: text('id of the SKU', 64),
    name: text('name'),
    skuType: Type.Union([Type.Literal('dry'), Type.Literal('frozen'), Type.Literal('mixed')]),
    weightGrams: Type.Integer({ minimum: 0, maximum: 10_000_000 }),
    volumeMl: Type.Integer({ minimum: 0, maximum: 100_000_000 }),
  },
  closed,
)
export const stored = Type.Object({ stored: Type.Literal(true) })
export type StoreInput = Static<typeof storeInput>
export type SkuInput = Static<typeof skuInput>
