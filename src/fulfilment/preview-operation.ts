import { Type } from 'typebox'
import { accepted } from '#kernel/outcome.ts'
import type { ReadContext } from '#platform/database.ts'
import { type Operation, query } from '#platform/operation.ts'
import { unknownWaybill } from './change-waybills.ts'
import { previewOf } from './preview.ts'
import { exact, Id, Kind, State } from './schemas.ts'
import type { Destination, SkuType } from './waybill.ts'
import { waybillsById } from './waybill-store.ts'

export interface FreeSlot {
  readonly date: string
  readonly code: string
  readonly startsAt: Date
  readonly endsAt: Date
  readonly cutOffAt: Date
  readonly left: number
}

/** How fulfilment asks which slots are free at some doors; slots belong to another context. One list a door, empty where no zone is. */
export type FindFreeSlots = (
  scope: Pick<ReadContext, 'traffic' | 'rehearsalId'>,
  doors: readonly (Pick<Destination, 'lat' | 'lng' | 'postcode'> & { readonly skuType: SkuType })[],
) => Promise<readonly (readonly FreeSlot[])[]>

const SlotView = Type.Object(
  {
    date: Type.String(),
    code: Type.String(),
    startsAt: Type.String(),
    endsAt: Type.String(),
    cutOffAt: Type.String(),
    left: Type.Integer(),
  },
  exact,
)
const slotView = ({ date, code, startsAt, endsAt, cutOffAt, left }: FreeSlot) => ({
  date,
  code,
  startsAt: startsAt.toISOString(),
  endsAt: endsAt.toISOString(),
  cutOffAt: cutOffAt.toISOString(),
  left,
})

const previewWith = (findFreeSlots: FindFreeSlots) =>
  query({
    id: 'waybills.preview',
    context: 'fulfilment',
    summary:
      'What cancelling, rescheduling or holding a waybill would do now: its state, its place in the quota, what would be blocked, and for rescheduling the slots that are free',
    input: Type.Object({ waybillId: Id, act: Type.Enum(['cancel', 'reschedule', 'hold']), kind: Type.Optional(Kind) }, exact),
    output: Type.Object(
      {
        waybillId: Id,
        act: Type.String(),
        state: State,
        possible: Type.Boolean(),
        refusal: Type.Union([Type.String(), Type.Null()]),
        to: State,
        quota: Type.Enum(['kept', 'none', 'given_back', 'burnt', 'unknown']),
        cutOffAt: Type.Union([Type.String(), Type.Null()]),
        blocks: Type.Array(State),
        asksForRoute: Type.Boolean(),
        slots: Type.Array(SlotView),
      },
      exact,
    ),
    scopes: ['waybills:read'],
    http: { method: 'GET', path: '/v1/waybills/:waybillId/preview' },
    batch: { largest: 200, longestWaitMs: 0 },
    priority: 'normal',
    errors: { 'fulfilment.unknown_waybill': 404 },
    body: async (context, asked) => {
      const waybills = await waybillsById(
        context,
        asked.map(({ input }) => input.waybillId),
      )
      const previews = asked.map(({ input: { waybillId, ...act } }) => {
        const waybill = waybills.get(waybillId)
        return waybill === undefined ? undefined : { waybill, ...previewOf(waybill, act, context.now) }
      })
      const moved = previews.flatMap((each) => (each?.possible === true && each.act === 'reschedule' ? [each] : []))
      const free = await findFreeSlots(
        context,
        moved.map(({ waybill: { destination, skuType } }) => ({ ...destination, skuType })),
      )
      const slotsOf = new Map(moved.map((each, at) => [each, free[at] ?? []]))
      return previews.map((each, at) => {
        if (each === undefined) return unknownWaybill(asked[at]?.input.waybillId ?? 0)
        const { waybill: _waybill, cutOffAt, blocks, ...shown } = each
        const slots = (slotsOf.get(each) ?? []).map(slotView)
        return accepted({ ...shown, blocks: [...blocks], cutOffAt: cutOffAt?.toISOString() ?? null, slots })
      })
    },
  })

export const previewOperations = (findFreeSlots: FindFreeSlots): readonly Operation[] => [previewWith(findFreeSlots)]
