import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { NewEvent } from '#platform/events.ts'
import type { Asked } from '#platform/operation.ts'
import { changeNamed } from './change-orders.ts'
import type { Changed, DestinationInput, SlotInput } from './change-schemas.ts'
import type { OrderEdited } from './events.ts'
import { itemLifeCycle, rankOf } from './lifecycle.ts'
import { type Destination, detailOf, type Order, type OrderItem, type SectionDetail, type Slot } from './order.ts'
import { changeSection, findSection } from './pick-rows.ts'
import { type Decision, settle, unchanged } from './settle.ts'

/** Sends sections elsewhere, until their goods are packed. */
export const changeDestinations = (context: WriteContext, asked: readonly Asked<DestinationInput>[]): Promise<Outcome<Changed>[]> =>
  changeNamed(context, asked, {
    change: ({ input }) => ({
      cause: 'change destination',
      detailed: true,
      decide: (order: Order) =>
        editSection(order, input.sectionNo, 'destination', (detail) =>
          sameDestination(detail.destination, input.destination) ? detail : { ...detail, destination: input.destination },
        ),
    }),
    answer: (changed) => changed,
  })

/** Gives sections another slot or none, until their goods are packed. */
export const changeSlots = (context: WriteContext, asked: readonly Asked<SlotInput>[]): Promise<Outcome<Changed>[]> =>
  changeNamed(context, asked, {
    change: ({ input }) => ({
      cause: 'change slot',
      detailed: true,
      decide: (order: Order) =>
        editSection(order, input.sectionNo, 'slot', (detail) =>
          sameSlot(detail.slot, input.slot) ? detail : { ...detail, slot: input.slot },
        ),
    }),
    answer: (changed) => changed,
  })

function editSection(
  order: Order,
  sectionNo: number,
  what: 'destination' | 'slot',
  edit: (detail: SectionDetail) => SectionDetail,
): Outcome<Decision> {
  const section = findSection(order, sectionNo)
  if (!section.ok) return section
  const detail = edit(detailOf(section.value))
  if (detail === section.value.detail) return accepted(unchanged(order))
  const late = tooLate(order, sectionNo, 50, `the ${what} of this section`)
  if (late !== undefined) return late
  const draft = changeSection(order, sectionNo, (each) => ({ ...each, detail }))
  return accepted(settle(order, draft, { events: [sectionsEditedEvent(draft, [sectionNo], { fields: [what] })] }))
}

/** The refusal for a section whose goods have reached a rank, or that has none on their way any more. */
export function tooLate(order: Order, sectionNo: number, rank: number, what: string): Outcome<never> | undefined {
  const items = order.items.filter((item) => item.sectionNo === sectionNo)
  const live = items.filter((item) => !itemLifeCycle.states[item.state].end)
  const far = live.find((item) => rankOf(item.state) >= rank)
  if (far !== undefined) return late(far, what)
  if (live.length > 0) return undefined
  return refused('orders.too_late', `Nothing of section ${sectionNo} is on its way any more, so ${what} can not be changed.`, '/sectionNo')
}

export const late = (item: OrderItem, what: string): Outcome<never> =>
  refused(
    'orders.too_late',
    `Item ${item.itemNo} is ${item.state}: it is too late to change ${what}. Reschedule its waybill, or cancel and order again.`,
    '/sectionNo',
    { itemNo: item.itemNo, state: item.state },
  )

export function editedEvent(order: Order, fields: OrderEdited['fields'], splits: OrderEdited['splits'] = []): NewEvent {
  const payload: OrderEdited = { orderId: order.id, fields, splits, sections: [] }
  return { key: String(order.id), type: 'orders.edited', payload }
}

/** The same for sections, with what they are after the edit, so that whoever follows need not ask. */
export function sectionsEditedEvent(
  after: Order,
  sectionNos: readonly number[],
  { fields, splits = [] }: Pick<OrderEdited, 'fields'> & Partial<Pick<OrderEdited, 'splits'>>,
): NewEvent {
  const sections = after.sections
    .filter(({ sectionNo }) => sectionNos.includes(sectionNo))
    .map((section) => {
      const { destination, slot, merchantId } = detailOf(section)
      const itemNos = after.items.filter((item) => item.sectionNo === section.sectionNo).map(({ itemNo }) => itemNo)
      return { sectionNo: section.sectionNo, destination, slot, merchantId, itemNos }
    })
  const payload: OrderEdited = { orderId: after.id, fields, splits, sections }
  return { key: String(after.id), type: 'orders.edited', payload }
}

export const sameSlot = (a: Slot | null, b: Slot | null): boolean => a?.date === b?.date && a?.code === b?.code

export const sameDestination = (a: Destination, b: Destination): boolean =>
  a.name === b.name &&
  a.line1 === b.line1 &&
  a.city === b.city &&
  a.postcode === b.postcode &&
  a.country === b.country &&
  a.lat === b.lat &&
  a.lng === b.lng
