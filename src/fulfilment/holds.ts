import type { WaybillState } from './lifecycle.ts'

interface HoldRow {
  readonly about: string
  /** States that a waybill may not enter while one of this kind is open. */
  readonly blocks: readonly WaybillState[]
}

/**
 * What may stand beside the state of a waybill and block named transitions. `hold` is somebody's wish; the others are exceptions that
 * somebody has to look into. What is reported from the road is always taken, whatever stands in the way: it has happened.
 */
export const holdTable = {
  hold: { about: 'somebody wants it to wait', blocks: ['released', 'loaded', 'out_for_delivery'] },
  address_unclear: { about: 'nobody could find its destination', blocks: ['loaded', 'out_for_delivery'] },
  goods_missing: { about: 'not all of its goods were found', blocks: ['packed', 'loaded', 'out_for_delivery'] },
  goods_late: { about: 'its goods will be ready too late for its truck', blocks: ['loaded', 'out_for_delivery'] },
  goods_damaged: { about: 'goods broke before they left', blocks: ['packed', 'loaded', 'out_for_delivery'] },
  recipient_unreachable: { about: 'nobody answers, and somebody must be there', blocks: ['out_for_delivery'] },
  order_changed: { about: 'its order was edited when it was in the truck already', blocks: ['out_for_delivery'] },
} as const satisfies Readonly<Record<string, HoldRow>>

export type HoldKind = keyof typeof holdTable
export const holdKinds = Object.keys(holdTable) as readonly HoldKind[]

/** What is done before a truck has left. From then on reports are of the road. */
const beforeTheRoad: readonly WaybillState[] = ['released', 'acknowledged', 'picked', 'packed', 'staged', 'loaded', 'out_for_delivery']

/** The hold that keeps a waybill from walking these steps, if one does. */
export function holdAgainst(holds: readonly HoldKind[], steps: readonly WaybillState[]): HoldKind | undefined {
  const goal = steps.at(-1)
  if (holds.length === 0 || goal === undefined || !beforeTheRoad.includes(goal)) return undefined
  return holds.find((kind) => (holdTable[kind].blocks as readonly WaybillState[]).some((state) => steps.includes(state)))
}
