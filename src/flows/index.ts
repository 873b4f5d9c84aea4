import type { Consumer } from '#platform/consumer.ts'
import { type FlowDeps, orderToDoorstep } from './order-to-doorstep.ts'
import { type RouteFlowDeps, waybillToRoute } from './waybill-to-route.ts'
import { type TrackFlowDeps, waybillToTrack } from './waybill-to-track.ts'

/** All processes that span contexts, as consumers for the relay. */
export function openFlows(deps: FlowDeps & RouteFlowDeps & TrackFlowDeps): Consumer[] {
  return [...orderToDoorstep(deps), ...waybillToRoute(deps), ...waybillToTrack(deps)]
}
