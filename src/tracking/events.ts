import type { Milestone } from './fold.ts'

export interface MilestoneReached {
  readonly shipmentId: number
  readonly waybillId: number
  readonly orderId: number
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
