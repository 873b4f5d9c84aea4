import type { Consumer } from '#platform/consumer.ts'
import { eventToPartners, type PartnerFlowDeps } from './event-to-partners.ts'
import { type FlowDeps, orderToDoorstep } from './order-to-doorstep.ts'
import { type FactsFlowDeps, orderToFacts } from './order-to-facts.ts'
import { type MoneyFlowDeps, orderToMoney } from './order-to-money.ts'
import { type RouteFlowDeps, waybillToRoute } from './waybill-to-route.ts'
import { type TrackFlowDeps, waybillToTrack } from './waybill-to-track.ts'

/** All processes that span contexts, as consumers for the relay. */
export function openFlows(deps: FlowDeps & MoneyFlowDeps & RouteFlowDeps & TrackFlowDeps & PartnerFlowDeps & FactsFlowDeps): Consumer[] {
  return [
    ...orderToMoney(deps),
    ...orderToDoorstep(deps),
    ...waybillToRoute(deps),
    ...waybillToTrack(deps),
    ...eventToPartners(deps),
    ...orderToFacts(deps),
  ]
}
