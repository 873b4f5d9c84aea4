import type { Outcome } from '#kernel/outcome.ts'
import type { Decision } from './change-waybills.ts'
import { type HoldKind, holdTable } from './holds.ts'
import { isOver, quotaEffectOf, type WaybillState } from './lifecycle.ts'
import { decideCancel, decideReschedule } from './move-waybills.ts'
import type { SlotChoice } from './waybill.ts'
import type { StoredWaybill } from './waybill-store.ts'

export type Act = 'cancel' | 'reschedule' | 'hold'

/** What an act would do if it were done now. */
export interface Preview {
  readonly waybillId: number
  readonly act: Act
  readonly state: WaybillState
  readonly possible: boolean
  /** Why it is not, in a sentence. */
  readonly refusal: string | null
  /** Where it would stand. */
  readonly to: WaybillState
  /** What would become of its place in the quota; `unknown` where it was routed before cut-offs were kept. */
  readonly quota: 'kept' | 'none' | 'given_back' | 'burnt' | 'unknown'
  readonly cutOffAt: Date | null
  /** States that it could not enter any more. */
  readonly blocks: readonly WaybillState[]
  /** True where it would ask for a route at once; a held one asks when it is released. */
  readonly asksForRoute: boolean
}

/** Uses the decisions of the acts themselves, so that it can not promise what they do not keep. */
export function previewOf(
  waybill: StoredWaybill,
  { act, kind = 'hold', slot = null }: { act: Act; kind?: HoldKind; slot?: SlotChoice | null },
  now: Date,
): Preview {
  const { waybillId, state, cutOffAt, holds } = waybill
  const about = { waybillId, act, state, cutOffAt }
  const open = new Set(holds)
  if (act === 'hold') {
    const refusal = isOver(waybill) ? `it is ${state}: nothing can be held any more` : null
    if (refusal === null) open.add(kind)
    const quota = waybill.routeId === null ? 'none' : 'kept'
    return { ...about, possible: refusal === null, refusal, to: state, quota, blocks: blocksOf(open), asksForRoute: false }
  }
  const asked = { waybillId, reason: act, actor: '', commandId: '' }
  const decided: Outcome<Decision | null> =
    act === 'cancel' ? decideCancel(waybill, asked, now) : decideReschedule(waybill, { ...asked, slot }, now)
  const decision = decided.ok ? decided.value : null
  return {
    ...about,
    possible: decided.ok,
    refusal: decided.ok ? null : decided.error.detail,
    to: decision?.after.state ?? state,
    quota: quotaOf(waybill, decision, now),
    blocks: blocksOf(open),
    asksForRoute: decision !== null && decision.after.ask !== waybill.ask && holds.length === 0,
  }
}

function quotaOf(waybill: StoredWaybill, decision: Decision | null, now: Date): Preview['quota'] {
  if (waybill.routeId === null) return 'none'
  if (decision === null || quotaEffectOf(waybill, decision.steps) !== 'give_back') return 'kept'
  if (waybill.cutOffAt === null) return 'unknown'
  return now < waybill.cutOffAt ? 'given_back' : 'burnt'
}

const blocksOf = (kinds: ReadonlySet<HoldKind>): WaybillState[] => [...new Set([...kinds].flatMap((kind) => holdTable[kind].blocks))]
