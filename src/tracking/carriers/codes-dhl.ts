import {
  accepted,
  atHub,
  attempted,
  cancelled,
  type CodeTable,
  created,
  delivered,
  exception,
  inTransit,
  kept,
  outForDelivery,
  returned,
  returning,
} from './code-table.ts'

/**
 * Unified tracking of DHL: a coarse code that all of its companies share, and a status word of the company at hand, in capitals. The word is more exact where it
 * is one that we know; else the coarse code holds.
 */
export const dhlCodes: CodeTable = {
  'pre-transit': created('announced, not handed over'),
  'pre-transit/LABEL CREATED': created('a label was made'),
  'pre-transit/PICKED UP': accepted('picked up from the sender'),
  transit: inTransit('on its way'),
  'transit/PICKED UP': accepted('picked up from the sender'),
  'transit/ACCEPTED': accepted('taken in at a counter or a depot'),
  'transit/ARRIVED': atHub('arrived at a facility'),
  'transit/PROCESSED': atHub('sorted at a facility'),
  'transit/DEPARTED': inTransit('left a facility'),
  'transit/CUSTOMS': atHub('with customs'),
  'transit/CLEARED': inTransit('cleared by customs'),
  'transit/OUT FOR DELIVERY': outForDelivery('with the courier'),
  'transit/AT PICKUP POINT': kept('waits to be fetched; the carrier counts it as on its way'),
  'transit/RETURN': returning('on its way back to the sender'),
  delivered: delivered('handed over'),
  'delivered/PICKED UP BY RECIPIENT': delivered('fetched at a pickup point'),
  'delivered/RETURNED': returned('handed back to the sender'),
  failure: exception('something went wrong'),
  'failure/NOT HOME': attempted('nobody was there'),
  'failure/REFUSED': exception('the recipient refused it'),
  'failure/ADDRESS': exception('the address can not be found'),
  'failure/DAMAGED': exception('damaged'),
  'failure/CANCELLED': cancelled('called off by the sender'),
  'failure/RETURN': returning('sent back to the sender'),
  unknown: kept('the carrier itself can not say'),
}
