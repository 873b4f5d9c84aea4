import type { ReasonCode } from './assign.ts'

export interface RoutingAssigned {
  readonly waybillId: number
  readonly orderId: number
  readonly zoneId: number
  readonly date: string
  readonly slotCode: string
  readonly routeId: number
  readonly vehicleId: number
  /** Until when giving the place back gives it back to its quota; after that it burns. */
  readonly cutOffAt: string
  readonly attempt: number
}

export interface RoutingUnassigned {
  readonly waybillId: number
  readonly orderId: number
  readonly reasonCode: ReasonCode
  readonly reason: string
  readonly attempt: number
}

/** `routing.ready_weighed`: what it means for its truck when the goods of a waybill are ready. Told after each word about it. */
export interface RoutingReadyWeighed {
  readonly waybillId: number
  readonly attempt: number
  readonly readyAt: string | null
  /** In numbers, where its truck can not wait for them and keeps its times; null: it can. */
  readonly tooLate: string | null
}

export const routingEventTypes = {
  assigned: 'routing.assigned',
  unassigned: 'routing.unassigned',
  readyWeighed: 'routing.ready_weighed',
} as const
