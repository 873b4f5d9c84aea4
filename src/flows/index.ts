import type { Consumer } from '#platform/consumer.ts'
import { eventToExchange, type ExchangeFlowDeps } from './event-to-exchange.ts'
import { eventToPartners, type PartnerFlowDeps } from './event-to-partners.ts'
import { type FlowDeps, orderToDoorstep } from './order-to-doorstep.ts'
import { type FactsFlowDeps, orderToFacts } from './order-to-facts.ts'
import { type MoneyFlowDeps, orderToMoney } from './order-to-money.ts'
import { type RouteFlowDeps, waybillToRoute } from './waybill-to-route.ts'
import { type TrackFlowDeps, waybillToTrack } from './waybill-to-track.ts'
import { type WarehouseFlowDeps, waybillToWarehouse } from './waybill-to-warehouse.ts'

export { exchangeToOperations } from './exchange-to-operations.ts'
export { type Partner, type PartnerMessage, partnerMessages, partners } from './partner-messages.ts'
export { waybillToWarehouse } from './waybill-to-warehouse.ts'

type Deps = FlowDeps &
  MoneyFlowDeps &
  RouteFlowDeps &
  TrackFlowDeps &
  PartnerFlowDeps &
  FactsFlowDeps &
  ExchangeFlowDeps &
  WarehouseFlowDeps

export type TrackFlows = Pick<Deps, 'tracking' | 'messaging'>

/** What tracking by itself has of them: nothing that another context of ours would begin. */
export function openTrackFlows(deps: TrackFlows): Consumer[] {
  return eventToPartners(deps, ['tracking'])
}

/** All processes that span contexts, as consumers for the relay. */
export function openFlows(deps: Deps): Consumer[] {
  return [
    ...orderToMoney(deps),
    ...orderToDoorstep(deps),
    ...waybillToRoute(deps),
    ...waybillToTrack(deps),
    ...waybillToWarehouse(deps),
    ...eventToPartners(deps),
    ...orderToFacts(deps),
    ...eventToExchange(deps),
  ]
}
