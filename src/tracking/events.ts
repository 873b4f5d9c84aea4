import type { Milestone } from './fold.ts'

export interface MilestoneReached {
  readonly shipmentId: number
  /** Null where another system fulfils. */
  readonly waybillId: number | null
  readonly orderId: number | null
  /** What another fulfilment system calls the order. */
  readonly orderRef: string | null
  readonly milestone: Milestone
  /** Way out is leg 1; a return opens the next. */
  readonly leg: number
  readonly attempt: number
  readonly occurredAt: string
}

/** A milestone that was told turned out not to be so: a correction. `state` is where the shipment stands now. */
export interface MilestoneWithdrawn extends MilestoneReached {
  readonly state: Milestone
}

export const trackingEventTypes = { reached: 'tracking.milestone_reached', withdrawn: 'tracking.milestone_withdrawn' } as const
