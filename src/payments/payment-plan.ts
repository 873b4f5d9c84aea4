import { type Static, Type } from 'typebox'

/** How money can come. Card and transfer go through payment gateways; points, vouchers and wallet live in our ledger; cash is counted by the courier. */
export const meansNames = ['card', 'points', 'voucher', 'wallet', 'transfer', 'cash_on_delivery'] as const
export type Means = (typeof meansNames)[number]

const closed = { additionalProperties: false }
const amount = Type.Integer({ minimum: 1, maximum: 1_000_000_000_000, description: 'minor units of the order’s currency' })

/** One means of payment of a plan. */
export const plannedLeg = Type.Object(
  {
    means: Type.Enum([...meansNames], { description: 'card, points, voucher, wallet, transfer or cash_on_delivery' }),
    token: Type.Optional(
      Type.String({
        pattern: '^[\\x21-\\x7e]{1,128}$',
        description:
          'card: its token at the gateway, or the id of a stored card; voucher: its code; wallet and points: the account, the customer’s own unless told',
      }),
    ),
    amountMinor: Type.Optional(amount),
    instalments: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 36, description: 'card: in how many instalments the issuer collects it' }),
    ),
    payer: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: 'who pays this share, where it is not the customer' })),
    dueAt: Type.Optional(Type.String({ format: 'date-time', description: 'not asked for before this instant: an instalment of ours' })),
    gateway: Type.Optional(
      Type.String({ minLength: 1, maxLength: 40, description: 'the gateway that the token belongs to, where it works at one only' }),
    ),
  },
  closed,
)
export type PlannedLeg = Static<typeof plannedLeg>

/** How one payment request is to be paid. */
export const paymentPlan = Type.Object(
  {
    legs: Type.Array(plannedLeg, {
      minItems: 1,
      maxItems: 12,
      description: 'amounts add up to what is due; one of them may leave its amount out and takes the rest',
    }),
    settle: Type.Optional(
      Type.Enum(['together', 'apart'], {
        description:
          'together (unless told): all legs are authorised before any is captured, and voided when one fails for good; apart: each is taken as it comes, as with deposits and instalments',
      }),
    ),
    capture: Type.Optional(
      Type.Enum(['now', 'on_shipment'], {
        description: 'now (unless told): captured as soon as all is authorised; on_shipment: as sections ship, each by its amount',
      }),
    ),
    releaseMinor: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 1_000_000_000_000,
        description: 'apart: how much must be in hand for the goods to be prepared, such as the deposit; all of it unless told',
      }),
    ),
    expiresAt: Type.Optional(
      Type.String({ format: 'date-time', description: 'what is not covered by then is voided and the request expires' }),
    ),
  },
  closed,
)
export type PaymentPlan = Static<typeof paymentPlan>
