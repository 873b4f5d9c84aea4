import { defineLifeCycle } from '#kernel/lifecycle.ts'

export const waybillStates = [
  'created',
  'routed',
  'released',
  'acknowledged',
  'picked',
  'packed',
  'staged',
  'loaded',
  'out_for_delivery',
  'arrived',
  'delivered',
  'partially_delivered',
  'attempt_failed',
  'rescheduled',
  'returning',
  'returned_to_depot',
  'restocked',
  'written_off',
  'cancelled',
  'lost',
  'damaged',
] as const
export type WaybillState = (typeof waybillStates)[number]

export const waybillLifeCycle = defineLifeCycle<WaybillState>({
  name: 'waybill',
  initial: 'created',
  states: {
    created: { about: 'made from the paid items of a section; has no route yet' },
    routed: { about: 'on a route and a truck; its place in the quota is taken' },
    released: { about: 'given to the warehouse or merchant to prepare' },
    acknowledged: { about: 'the warehouse or merchant has said that it will prepare it' },
    picked: { about: 'every item is out of its shelf' },
    packed: { about: 'in its bags and boxes' },
    staged: { about: 'at the dock, waiting for its truck' },
    loaded: { about: 'in the truck' },
    out_for_delivery: { about: 'the truck has left the depot' },
    arrived: { about: 'the truck stands at the door' },
    delivered: { about: 'handed over whole', end: true },
    partially_delivered: { about: 'a part was handed over; the rest goes back' },
    attempt_failed: { about: 'nobody took it; it is still with us' },
    rescheduled: { about: 'waits for a route in another slot' },
    returning: { about: 'on its way back to the depot' },
    returned_to_depot: { about: 'back at the depot, to be looked at' },
    restocked: { about: 'its goods are in stock again', end: true },
    written_off: { about: 'its goods are lost to us', end: true },
    cancelled: { about: 'called off before it was loaded', end: true },
    lost: { about: 'cannot be found' },
    damaged: { about: 'broken on the way' },
  },
  transitions: [
    { from: ['created', 'rescheduled'], to: 'routed', by: 'route' },
    { from: ['routed'], to: 'released', by: 'release' },
    { from: ['released'], to: 'acknowledged', by: 'acknowledge' },
    { from: ['acknowledged'], to: 'picked', by: 'pick' },
    { from: ['picked'], to: 'packed', by: 'pack' },
    { from: ['packed'], to: 'staged', by: 'stage' },
    { from: ['staged'], to: 'loaded', by: 'load' },
    { from: ['loaded'], to: 'out_for_delivery', by: 'depart' },
    { from: ['out_for_delivery'], to: 'arrived', by: 'arrive' },
    { from: ['arrived'], to: 'delivered', by: 'deliver' },
    { from: ['arrived'], to: 'partially_delivered', by: 'deliver in part' },
    { from: ['arrived'], to: 'attempt_failed', by: 'fail' },
    { from: ['attempt_failed'], to: 'rescheduled', by: 'reschedule' },
    { from: ['created', 'routed', 'released', 'acknowledged', 'picked', 'packed', 'staged'], to: 'cancelled', by: 'cancel' },
    { from: ['loaded', 'out_for_delivery', 'arrived', 'attempt_failed', 'rescheduled'], to: 'returning', by: 'cancel' },
    { from: ['partially_delivered', 'damaged', 'lost'], to: 'returning', by: 'send back' },
    { from: ['returning'], to: 'returned_to_depot', by: 'take back' },
    { from: ['returned_to_depot'], to: 'restocked', by: 'restock' },
    { from: ['returned_to_depot', 'damaged', 'lost'], to: 'written_off', by: 'write off' },
    { from: ['loaded', 'out_for_delivery', 'arrived', 'attempt_failed', 'rescheduled', 'returning'], to: 'lost', by: 'lose' },
    { from: ['loaded', 'out_for_delivery', 'arrived', 'attempt_failed', 'rescheduled', 'returning'], to: 'damaged', by: 'damage' },
  ],
})

/** The way from a route to the door. Its order says which states lie before which. */
export const wayToTheDoor: readonly WaybillState[] = [
  'routed',
  'released',
  'acknowledged',
  'picked',
  'packed',
  'staged',
  'loaded',
  'out_for_delivery',
  'arrived',
]

const outcomesAtTheDoor: readonly WaybillState[] = ['delivered', 'partially_delivered', 'attempt_failed']

/**
 * The transitions that lead from one state to another that was reported, or undefined where no honest way exists.
 *
 * A report may name a state further along the way to the door; the transitions in between are then walked and written to
 * history in the same go. The alternative, to refuse, makes us deaf: a merchant who presses only "picked", or a truck
 * whose "departed" message was lost, has still done the work, and the next report proves it. Two things are never walked:
 * `routed`, because only routing can put a waybill on a truck, and anything off the way (cancel, loss, return), because
 * nothing proves those.
 */
export function stepsBetween(from: WaybillState, to: WaybillState): readonly WaybillState[] | undefined {
  if (waybillLifeCycle.canMove(from, to)) return [to]
  const at = wayToTheDoor.indexOf(from)
  if (at < 0) return undefined
  if (outcomesAtTheDoor.includes(to)) return [...wayToTheDoor.slice(at + 1), to]
  const goal = wayToTheDoor.indexOf(to)
  return goal > at ? wayToTheDoor.slice(at + 1, goal + 1) : undefined
}

/** True when a report comes after the fact: the waybill stands there, or has passed there in this attempt. It succeeds without effect. */
export function alreadyPassed(current: WaybillState, reported: WaybillState): boolean {
  if (current === reported) return true
  const reportedAt = wayToTheDoor.indexOf(reported)
  if (reportedAt < 0) return false
  return outcomesAtTheDoor.includes(current) || wayToTheDoor.indexOf(current) > reportedAt
}

/** Where a cancel leads: `cancelled` before loading, `returning` from then on, nowhere once the waybill is over or already going back. */
export function cancelTargetOf(state: WaybillState): WaybillState | undefined {
  return waybillLifeCycle.transitions.find((row) => row.by === 'cancel' && row.from.includes(state))?.to
}
