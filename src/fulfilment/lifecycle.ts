import { defineLifeCycle, type LifeCycle } from '#kernel/lifecycle.ts'
import type { Purpose } from './waybill.ts'

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
    created: { about: 'has no route yet, or gave it back before it was loaded' },
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
    { from: ['routed', 'released', 'acknowledged', 'picked', 'packed', 'staged'], to: 'created', by: 'plan again' },
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

type ReturnState = Exclude<
  WaybillState,
  'released' | 'acknowledged' | 'picked' | 'packed' | 'staged' | 'loaded' | 'delivered' | 'partially_delivered'
>

/** A waybill that brings goods back: nothing is prepared, the truck goes to the door empty and comes back with them. */
export const returnLifeCycle = defineLifeCycle<ReturnState>({
  name: 'return waybill',
  initial: 'created',
  states: {
    created: { about: 'a pickup is booked; has no route yet' },
    routed: { about: 'on a route and a truck; its place in the quota is taken' },
    out_for_delivery: { about: 'the truck is on its way to fetch it' },
    arrived: { about: 'the truck stands at the door' },
    attempt_failed: { about: 'nobody handed it over' },
    rescheduled: { about: 'waits for a route in another slot' },
    returning: { about: 'in the truck, on its way to the depot' },
    returned_to_depot: { about: 'at the depot, to be looked at' },
    restocked: { about: 'its goods are in stock again', end: true },
    written_off: { about: 'its goods are lost to us', end: true },
    cancelled: { about: 'called off before it was fetched; the customer keeps the goods', end: true },
    lost: { about: 'cannot be found' },
    damaged: { about: 'broken on the way' },
  },
  transitions: [
    { from: ['created', 'rescheduled'], to: 'routed', by: 'route' },
    { from: ['routed'], to: 'created', by: 'plan again' },
    { from: ['routed'], to: 'out_for_delivery', by: 'depart' },
    { from: ['out_for_delivery'], to: 'arrived', by: 'arrive' },
    { from: ['arrived'], to: 'returning', by: 'fetch' },
    { from: ['arrived'], to: 'attempt_failed', by: 'fail' },
    { from: ['attempt_failed'], to: 'rescheduled', by: 'reschedule' },
    { from: ['created', 'routed', 'out_for_delivery', 'arrived', 'attempt_failed', 'rescheduled'], to: 'cancelled', by: 'cancel' },
    { from: ['returning'], to: 'returned_to_depot', by: 'take back' },
    { from: ['returned_to_depot'], to: 'restocked', by: 'restock' },
    { from: ['returning'], to: 'lost', by: 'lose' },
    { from: ['returning'], to: 'damaged', by: 'damage' },
    { from: ['lost', 'damaged'], to: 'returning', by: 'send back' },
    { from: ['returned_to_depot', 'lost', 'damaged'], to: 'written_off', by: 'write off' },
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

/** How a waybill of one purpose lives: its table, its way to the door, and how it may end there. */
interface Life {
  readonly cycle: LifeCycle<WaybillState>
  readonly way: readonly WaybillState[]
  readonly atTheDoor: readonly WaybillState[]
}

const delivery: Life = {
  cycle: waybillLifeCycle,
  way: wayToTheDoor,
  atTheDoor: ['delivered', 'partially_delivered', 'attempt_failed'],
}
const lives: Readonly<Record<Purpose, Life>> = {
  delivery,
  replacement: delivery,
  return: {
    // Its states are some of those that a waybill has; asked about any other, its table answers no.
    cycle: returnLifeCycle as unknown as LifeCycle<WaybillState>,
    way: ['routed', 'out_for_delivery', 'arrived'],
    atTheDoor: ['returning', 'attempt_failed'],
  },
}

export type Phase = 'waiting' | 'preparing' | 'on_the_road' | 'trouble' | 'over'

/** What work lists are kept by: most reports leave the phase as it is, and so touch no index (migrations/fulfilment/0005_phases.sql). */
export const phaseOf: Readonly<Record<WaybillState, Phase>> = {
  created: 'waiting',
  routed: 'preparing',
  released: 'preparing',
  acknowledged: 'preparing',
  picked: 'preparing',
  packed: 'preparing',
  staged: 'preparing',
  loaded: 'on_the_road',
  out_for_delivery: 'on_the_road',
  arrived: 'on_the_road',
  delivered: 'over',
  partially_delivered: 'trouble',
  attempt_failed: 'trouble',
  rescheduled: 'waiting',
  returning: 'trouble',
  returned_to_depot: 'trouble',
  restocked: 'over',
  written_off: 'over',
  cancelled: 'over',
  lost: 'trouble',
  damaged: 'trouble',
}

/** A waybill as far as its life cycle is concerned. */
export interface Living {
  readonly purpose: Purpose
  readonly state: WaybillState
}

/**
 * The transitions that lead from one state to another that was reported, or undefined where no honest way exists.
 *
 * A report may name a state further along the way to the door; the transitions in between are then walked and written to
 * history in the same go. The alternative, to refuse, makes us deaf: a merchant who presses only "picked", or a truck
 * whose "departed" message was lost, has still done the work, and the next report proves it. Two things are never walked:
 * `routed`, because only routing can put a waybill on a truck, and anything off the way (cancel, loss, return), because
 * nothing proves those.
 */
export function stepsBetween({ purpose, state: from }: Living, to: WaybillState): readonly WaybillState[] | undefined {
  const { cycle, way, atTheDoor } = lives[purpose]
  if (cycle.canMove(from, to)) return [to]
  const at = way.indexOf(from)
  if (at < 0) return undefined
  if (atTheDoor.includes(to)) return [...way.slice(at + 1), to]
  const goal = way.indexOf(to)
  return goal > at ? way.slice(at + 1, goal + 1) : undefined
}

/** True when a report comes after the fact: the waybill stands there, or has passed there in this attempt. It succeeds without effect. */
export function alreadyPassed({ purpose, state: current }: Living, reported: WaybillState): boolean {
  if (current === reported) return true
  const { way, atTheDoor } = lives[purpose]
  const reportedAt = way.indexOf(reported)
  if (reportedAt < 0) return false
  return atTheDoor.includes(current) || way.indexOf(current) > reportedAt
}

/** Where a cancel leads: `cancelled` before loading, `returning` from then on, nowhere once the waybill is over or already going back. */
export function cancelTargetOf({ purpose, state }: Living): WaybillState | undefined {
  return lives[purpose].cycle.transitions.find((row) => row.by === 'cancel' && row.from.includes(state))?.to
}

/**
 * Where a waybill goes that is to have another slot: back to `created` before it is loaded, to `rescheduled` after a failed attempt.
 * One that waits for a route stays where it is and asks anew. Nowhere while it is on the road, or over.
 */
export function planAgainTargetOf({ purpose, state }: Living): 'created' | 'rescheduled' | undefined {
  if (state === 'created' || state === 'rescheduled') return state
  const row = lives[purpose].cycle.transitions.find(({ by, from }) => (by === 'plan again' || by === 'reschedule') && from.includes(state))
  return row?.to === 'created' || row?.to === 'rescheduled' ? row.to : undefined
}

/** True until it is in a truck: what it carries and where it goes may still be another. */
export const isAtHome = ({ purpose, state }: Living): boolean => purpose !== 'return' && planAgainTargetOf({ purpose, state }) === 'created'

const beingPrepared: ReadonlySet<WaybillState> = new Set(['released', 'acknowledged', 'picked', 'packed', 'staged'])

/** In the hands of a warehouse or merchant: what changes of it is told to them. */
export const isBeingPrepared = ({ purpose, state }: Living): boolean => purpose !== 'return' && beingPrepared.has(state)

export const isOver = ({ purpose, state }: Living): boolean => lives[purpose].cycle.states[state].end === true

/**
 * What a transition does to the place in the quota that the waybill asked for. Routing keeps the quotas and books each effect: it
 * reserves when it assigns, commits when the goods are released, and gives back before the cut-off of the slot, after which the place
 * burns, since nobody could use it any more.
 */
export type QuotaEffect = 'commit' | 'give_back'

interface QuotaRow {
  readonly purposes: readonly Purpose[]
  readonly from?: readonly WaybillState[]
  readonly to: readonly WaybillState[]
  readonly effect: QuotaEffect
}

const forward: readonly Purpose[] = ['delivery', 'replacement']
const any: readonly Purpose[] = [...forward, 'return']
export const quotaEffects: readonly QuotaRow[] = [
  { purposes: forward, to: ['released'], effect: 'commit' },
  { purposes: ['return'], to: ['out_for_delivery'], effect: 'commit' },
  { purposes: any, to: ['created', 'rescheduled', 'cancelled'], effect: 'give_back' },
  // It had asked for its next attempt already.
  { purposes: any, from: ['rescheduled'], to: ['returning', 'lost', 'damaged'], effect: 'give_back' },
]

/** The effect of a walk; no walk has two. */
export function quotaEffectOf({ purpose, state }: Living, steps: readonly WaybillState[]): QuotaEffect | null {
  let from = state
  for (const to of steps) {
    const row = quotaEffects.find((each) => each.purposes.includes(purpose) && each.to.includes(to) && (each.from?.includes(from) ?? true))
    if (row !== undefined) return row.effect
    from = to
  }
  return null
}
