import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { WriteContext } from '#platform/database.ts'
import type { Asked } from '#platform/operation.ts'
import { changeNamed } from './change-orders.ts'
import type { Changed, MergeSectionsInput, SectionSplit, SplitSectionInput } from './change-schemas.ts'
import { late, sameDestination, sameSlot, sectionsEditedEvent, tooLate } from './edit-sections.ts'
import { itemLifeCycle, rankOf } from './lifecycle.ts'
import { detailOf, lineOf, type Order, type OrderSection } from './order.ts'
import { changeRows, changeSection, findSection, pickRows, takeRows } from './pick-rows.ts'
import { type Decision, settle, unchanged } from './settle.ts'

/** Section numbers end here: payment parts from 1000 on are later differences. */
export const largestSectionNo = 999

interface SplitDecision extends Decision {
  readonly sectionNo: number
}

/** Moves rows or quantities of a section into a new one, until they are being prepared. */
export const splitSections = (context: WriteContext, asked: readonly Asked<SplitSectionInput>[]): Promise<Outcome<SectionSplit>[]> =>
  changeNamed(context, asked, {
    change: ({ input }) => ({
      cause: `split section ${input.sectionNo}`,
      detailed: true,
      decide: (order: Order) => splitSection(order, input),
    }),
    answer: (changed, { sectionNo }: SplitDecision) => ({ ...changed, sectionNo }),
  })

export function splitSection(order: Order, input: SplitSectionInput): Outcome<SplitDecision> {
  const found = findSection(order, input.sectionNo)
  if (!found.ok) return found
  const section = found.value
  const picked = pickRows(order, input.items, '/items')
  if (!picked.ok) return picked
  for (const { item, field } of picked.value) {
    if (item.sectionNo !== section.sectionNo) {
      return refused('orders.unknown_item', `Item ${item.itemNo} is in section ${item.sectionNo}, not in ${section.sectionNo}.`, field)
    }
    if (itemLifeCycle.states[item.state].end)
      return refused('orders.too_late', `Item ${item.itemNo} is ${item.state}.`, field, { itemNo: item.itemNo, state: item.state })
    if (rankOf(item.state) >= 40) return late(item, 'its section')
  }
  const whole = new Set(picked.value.filter(({ item, quantity }) => quantity === lineOf(item).quantity).map(({ item }) => item.itemNo))
  const stays = order.items.some((item) => item.sectionNo === section.sectionNo && !whole.has(item.itemNo) && item.state !== 'cancelled')
  if (!stays)
    return refused('orders.nothing_left', 'Nothing would stay in the old section; change its destination or slot instead.', '/items')
  const sectionNo = Math.max(...order.sections.map((each) => each.sectionNo)) + 1
  if (sectionNo > largestSectionNo)
    return refused('orders.too_many_sections', `An order has at most ${largestSectionNo} sections.`, '/order')
  const { order: split, taken, splits } = takeRows(order, picked.value)
  const detail = detailOf(section)
  const born: OrderSection = {
    sectionNo,
    part: section.part,
    state: section.state,
    moneyState: 'none',
    attention: 0,
    held: false,
    detail: {
      destination: input.destination ?? detail.destination,
      slot: input.slot === undefined ? detail.slot : input.slot,
      merchantId: input.merchantId ?? detail.merchantId,
      shippingMinor: 0,
      mergedInto: null,
    },
  }
  if (section.held) return onHold(section.sectionNo)
  const draft = changeRows({ ...split, sections: [...split.sections, born] }, taken, (item) => ({ ...item, sectionNo }))
  const decision = settle(order, draft, {
    splits,
    events: [sectionsEditedEvent(draft, [section.sectionNo, sectionNo], { fields: ['sections'], splits })],
  })
  return accepted({ ...decision, sectionNo })
}

const onHold = (sectionNo: number): Outcome<never> =>
  refused('orders.on_hold', `Section ${sectionNo} is on hold; release it before its goods go elsewhere.`, '/sectionNo')

/** Moves all of one section into another, until either is being prepared. */
export const mergeSections = (context: WriteContext, asked: readonly Asked<MergeSectionsInput>[]): Promise<Outcome<Changed>[]> =>
  changeNamed(context, asked, {
    change: ({ input }) => ({
      cause: `merge section ${input.sectionNo} into ${input.into}`,
      detailed: true,
      decide: (order: Order) => mergeSection(order, input),
    }),
    answer: (changed) => changed,
  })

export function mergeSection(order: Order, { sectionNo, into, takeOver = false }: MergeSectionsInput): Outcome<Decision> {
  if (sectionNo === into) return refused('orders.same_section', 'A section can not be merged into itself.', '/into')
  const before = order.sections.find((each) => each.sectionNo === sectionNo)
  if (before !== undefined && detailOf(before).mergedInto === into) return accepted(unchanged(order))
  const from = findSection(order, sectionNo)
  if (!from.ok) return from
  const to = findSection(order, into, '/into')
  if (!to.ok) return to
  for (const each of [from.value, to.value]) {
    const refusal = tooLate(order, each.sectionNo, 40, 'the sections')
    if (refusal !== undefined) return refusal
    if (each.held) return onHold(each.sectionNo)
  }
  if (from.value.part !== to.value.part) {
    return refused(
      'orders.paid_apart',
      `Sections ${sectionNo} and ${into} are paid for by payments of their own and can not become one.`,
      '/into',
    )
  }
  const source = detailOf(from.value)
  const target = detailOf(to.value)
  if (!takeOver && !(sameDestination(source.destination, target.destination) && sameSlot(source.slot, target.slot))) {
    return refused(
      'orders.two_destinations',
      `Sections ${sectionNo} and ${into} go to different places or times; say takeOver to send all as section ${into}.`,
      '/takeOver',
    )
  }
  const rows = order.items.filter((item) => item.sectionNo === sectionNo).map(({ itemNo }) => itemNo)
  const moved = changeRows(order, rows, (item) => ({ ...item, sectionNo: into }))
  const emptied = changeSection(moved, sectionNo, (each) => ({ ...each, detail: { ...source, shippingMinor: 0, mergedInto: into } }))
  const draft = changeSection(emptied, into, (each) => ({
    ...each,
    detail: { ...target, shippingMinor: target.shippingMinor + source.shippingMinor },
  }))
  return accepted(settle(order, draft, { events: [sectionsEditedEvent(draft, [sectionNo, into], { fields: ['sections'] })] }))
}
