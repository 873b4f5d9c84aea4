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

export const routingEventTypes = { assigned: 'routing.assigned', unassigned: 'routing.unassigned' } as const
