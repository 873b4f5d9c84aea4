import { type Static, Type } from 'typebox'
import { claimKinds } from './claim-lifecycle.ts'
import { amount, changed, closed, text } from './schemas.ts'

const reason = text('why, for the log', 200)
const itemNo = Type.Integer({ minimum: 1, maximum: 32_767 })
const pieces = (about: string, minimum: number) => Type.Integer({ minimum, maximum: 10_000, description: about })
const claimId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, description: 'id of the claim' })

export const requestClaimInput = Type.Object(
  {
    order: text('order number or id', 40),
    kind: Type.Enum([...claimKinds], {
      description:
        'return: goods for money; exchange: goods for goods; reship: lost or damaged goods again; refund_only: money, no goods come back',
    }),
    items: Type.Array(
      Type.Object(
        {
          itemNo,
          quantity: Type.Optional(pieces('pieces; the whole row unless told', 1)),
          replacement: Type.Optional(
            Type.Object(
              {
                sku: text('a registered SKU', 64),
                unitPriceMinor: amount('price of one piece'),
                taxMinor: Type.Optional(amount('tax added to one piece')),
              },
              { ...closed, description: 'exchange: what is wanted for each piece; the same goods at the same price unless told' },
            ),
          ),
        },
        closed,
      ),
      { minItems: 1, maxItems: 500 },
    ),
    reason,
  },
  closed,
)
export type RequestClaimInput = Static<typeof requestClaimInput>

export const answerClaimInput = Type.Object(
  {
    claimId,
    approve: Type.Boolean({ description: 'false: the claim is rejected' }),
    refundShipping: Type.Optional(
      Type.Boolean({ description: 'return: shipping of a section goes back with the last of its goods; false unless told' }),
    ),
    reason,
  },
  closed,
)
export type AnswerClaimInput = Static<typeof answerClaimInput>

export const moveClaimInput = Type.Object(
  {
    claimId,
    to: Type.Enum(['pickup_booked', 'in_transit', 'received', 'sent_back'], {
      description: 'sent_back: pieces that the inspection refused are on their way to the customer again',
    }),
  },
  closed,
)
export type MoveClaimInput = Static<typeof moveClaimInput>

export const inspectClaimInput = Type.Object(
  {
    claimId,
    items: Type.Optional(
      Type.Array(
        Type.Object(
          {
            itemNo,
            accepted: pieces('fit to be sold again', 0),
            damaged: Type.Optional(pieces('damaged, yet accepted', 0)),
            refused: Type.Optional(pieces('not accepted; they go back to the customer', 0)),
          },
          closed,
        ),
        { minItems: 1, maxItems: 500, description: 'every row of the claim, all its pieces; all accepted unless told' },
      ),
    ),
  },
  closed,
)
export type InspectClaimInput = Static<typeof inspectClaimInput>

export const withdrawClaimInput = Type.Object({ claimId, reason }, closed)
export type WithdrawClaimInput = Static<typeof withdrawClaimInput>

export const claimChanged = Type.Object({
  ...changed.properties,
  claimId,
  claimState: Type.String(),
  itemNos: Type.Array(Type.Integer({ description: 'rows that hold the pieces of the claim' })),
  newItemNos: Type.Array(Type.Integer({ description: 'rows that were made in exchange or again' })),
  refundedMinor: amount('what the claim gave back'),
})
export type ClaimChanged = Static<typeof claimChanged>
