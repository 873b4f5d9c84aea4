import { command, type Operation } from '#platform/operation.ts'
import { addItems, amendOrders } from './amend-orders.ts'
import { answerCancels, cancelNamed } from './cancel-orders.ts'
import type { Catalogue } from './catalogue.ts'
import {
  addItemsInput,
  amendInput,
  answerCancelInput,
  cancelAnswered,
  cancelInput,
  cancelled,
  clearAttentionInput,
  confirmInput,
  destinationInput,
  fillBackorderInput,
  goodwillInput,
  holdInput,
  itemsAdded,
  mergeDuplicatesInput,
  mergeSectionsInput,
  releaseInput,
  reorderInput,
  sectionSplit,
  slotInput,
  splitSectionInput,
} from './change-schemas.ts'
import { clearAttention } from './clear-attention.ts'
import { confirmOrders } from './confirm-orders.ts'
import { changeDestinations, changeSlots } from './edit-sections.ts'
import { giveGoodwill } from './goodwill.ts'
import { holdOrders, releaseOrders } from './hold-orders.ts'
import { mergeDuplicates } from './merge-duplicates.ts'
import { placeErrors } from './place-errors.ts'
import type { PlaceDeps } from './place-orders.ts'
import { mergeSections, splitSections } from './regroup-sections.ts'
import { reorder } from './reorder.ts'
import { changed, placed } from './schemas.ts'
import { fillBackorders } from './short-items.ts'

/** What all changes of an order share. */
const ofOrders = {
  context: 'orders',
  audited: true,
  scopes: ['orders:write'],
  batch: { largest: 128, longestWaitMs: 1 },
  idempotency: 'required',
  priority: 'high',
} as const

const ofSections = {
  'orders.not_found': 404,
  'orders.unknown_section': 422,
  'orders.too_late': 409,
}

/** Commands that change an order which was placed. */
export function changeOperations(deps: PlaceDeps & { readonly catalogue: Catalogue }): Operation[] {
  const { catalogue } = deps
  return [
    command({
      id: 'orders.cancel',
      ...ofOrders,
      summary:
        'Cancel an order, a section, items or pieces of items; what was paid for them is given back. Goods in preparation wait for the warehouse’s consent; for goods that left, a return is asked for',
      input: cancelInput,
      output: cancelled,
      http: { method: 'POST', path: '/v1/orders/:order/cancel', batchPath: '/v1/orders/cancel/batch' },
      errors: {
        'orders.not_found': 404,
        'orders.unknown_item': 422,
        'orders.unknown_section': 422,
        'orders.two_targets': 422,
        'orders.named_twice': 422,
        'orders.quantity_too_large': 422,
        'orders.too_many_items': 422,
        'orders.too_many_claims': 409,
        'orders.not_cancellable': 409,
      },
      body: cancelNamed,
    }),
    command({
      id: 'orders.answer_cancel',
      ...ofOrders,
      summary: 'Answer for the warehouse whether goods in preparation may be cancelled',
      input: answerCancelInput,
      output: cancelAnswered,
      http: { method: 'POST', path: '/v1/orders/:order/cancel-answers', batchPath: '/v1/orders/cancel-answers/batch' },
      errors: { 'orders.not_found': 404, 'orders.unknown_item': 422, 'orders.not_requested': 409, 'orders.too_many_claims': 409 },
      body: answerCancels,
    }),
    command({
      id: 'orders.amend',
      ...ofOrders,
      summary: 'Change an order that is not paid yet: quantities, further items, the payment plan',
      input: amendInput,
      output: changed,
      http: { method: 'POST', path: '/v1/orders/:order/amend', batchPath: '/v1/orders/amend/batch' },
      errors: {
        ...ofSections,
        'orders.unknown_item': 422,
        'orders.unknown_part': 422,
        'orders.unknown_sku': 422,
        'orders.named_twice': 422,
        'orders.discount_too_large': 422,
        'orders.payment_mismatch': 422,
        'orders.too_many_items': 422,
        'orders.total_too_large': 422,
        'orders.total_mismatch': 422,
        'orders.already_paid': 409,
        'orders.not_possible': 409,
        'orders.nothing_left': 409,
      },
      body: (context, asked) => amendOrders(catalogue, context, asked),
    }),
    command({
      id: 'orders.add_items',
      ...ofOrders,
      summary: 'Add items to a section that was paid for; the difference is asked as a payment of its own',
      input: addItemsInput,
      output: itemsAdded,
      http: { method: 'POST', path: '/v1/orders/:order/items', batchPath: '/v1/orders/items/batch', status: 201 },
      errors: {
        ...ofSections,
        'orders.unknown_sku': 422,
        'orders.discount_too_large': 422,
        'orders.payment_mismatch': 422,
        'orders.too_many_items': 422,
        'orders.total_too_large': 422,
        'orders.not_paid_yet': 409,
        'orders.nothing_left': 409,
      },
      body: (context, asked) => addItems(catalogue, context, asked),
    }),
    command({
      id: 'orders.change_destination',
      ...ofOrders,
      summary: 'Send a section elsewhere, until its goods are packed',
      input: destinationInput,
      output: changed,
      http: { method: 'PUT', path: '/v1/orders/:order/sections/:sectionNo/destination', batchPath: '/v1/orders/destinations/batch' },
      errors: ofSections,
      body: changeDestinations,
    }),
    command({
      id: 'orders.change_slot',
      ...ofOrders,
      summary: 'Give a section another delivery slot or none, until its goods are packed',
      input: slotInput,
      output: changed,
      http: { method: 'PUT', path: '/v1/orders/:order/sections/:sectionNo/slot', batchPath: '/v1/orders/slots/batch' },
      errors: ofSections,
      body: changeSlots,
    }),
    command({
      id: 'orders.split_section',
      ...ofOrders,
      summary: 'Move items or pieces of them into a new section with its own destination or slot, until they are prepared',
      input: splitSectionInput,
      output: sectionSplit,
      http: {
        method: 'POST',
        path: '/v1/orders/:order/sections/:sectionNo/split',
        batchPath: '/v1/orders/sections/split/batch',
        status: 201,
      },
      errors: {
        ...ofSections,
        'orders.unknown_item': 422,
        'orders.named_twice': 422,
        'orders.quantity_too_large': 422,
        'orders.too_many_items': 422,
        'orders.too_many_sections': 422,
        'orders.nothing_left': 409,
        'orders.on_hold': 409,
      },
      body: splitSections,
    }),
    command({
      id: 'orders.merge_sections',
      ...ofOrders,
      summary: 'Move all of one section into another, until either is prepared',
      input: mergeSectionsInput,
      output: changed,
      http: { method: 'POST', path: '/v1/orders/:order/sections/:sectionNo/merge', batchPath: '/v1/orders/sections/merge/batch' },
      errors: {
        ...ofSections,
        'orders.same_section': 422,
        'orders.two_destinations': 409,
        'orders.paid_apart': 409,
        'orders.on_hold': 409,
      },
      body: mergeSections,
    }),
    command({
      id: 'orders.hold',
      ...ofOrders,
      summary: 'Put an order or a section on hold: what is paid meanwhile is not prepared',
      input: holdInput,
      output: changed,
      http: { method: 'POST', path: '/v1/orders/:order/holds', batchPath: '/v1/orders/holds/batch' },
      errors: { 'orders.not_found': 404, 'orders.unknown_section': 422 },
      body: holdOrders,
    }),
    command({
      id: 'orders.release',
      ...ofOrders,
      summary: 'Release the holds of an order or a section, all or those of one owner',
      input: releaseInput,
      output: changed,
      http: { method: 'POST', path: '/v1/orders/:order/releases', batchPath: '/v1/orders/releases/batch' },
      errors: { 'orders.not_found': 404, 'orders.unknown_section': 422 },
      body: releaseOrders,
    }),
    command({
      id: 'orders.clear_attention',
      ...ofOrders,
      summary: 'Note that goods which could not be called off have been looked after',
      input: clearAttentionInput,
      output: changed,
      http: { method: 'POST', path: '/v1/orders/:order/attention/clear', batchPath: '/v1/orders/attention/clear/batch' },
      errors: { 'orders.not_found': 404, 'orders.unknown_item': 422 },
      body: clearAttention,
    }),
    command({
      id: 'orders.confirm',
      ...ofOrders,
      summary: 'Confirm what was delivered: the customer has it and is content',
      input: confirmInput,
      output: changed,
      http: { method: 'POST', path: '/v1/orders/:order/confirm', batchPath: '/v1/orders/confirm/batch' },
      errors: {
        'orders.not_found': 404,
        'orders.unknown_section': 422,
        'orders.unknown_item': 422,
        'orders.not_delivered': 409,
        'orders.not_possible': 409,
      },
      body: confirmOrders,
    }),
    command({
      id: 'orders.fill_backorder',
      ...ofOrders,
      summary: 'Say that goods on back order are there: they get a waybill of their own',
      input: fillBackorderInput,
      output: changed,
      http: { method: 'POST', path: '/v1/orders/:order/fill-backorder', batchPath: '/v1/orders/fill-backorder/batch' },
      errors: { 'orders.not_found': 404, 'orders.unknown_item': 422 },
      body: fillBackorders,
    }),
    command({
      id: 'orders.goodwill',
      ...ofOrders,
      summary: 'Give money as a gift, to the means that paid or to the customer’s wallet; the order owes what it owed',
      input: goodwillInput,
      output: changed,
      http: { method: 'POST', path: '/v1/orders/:order/goodwill', batchPath: '/v1/orders/goodwill/batch' },
      errors: { 'orders.not_found': 404, 'orders.unknown_part': 422, 'orders.goodwill_too_large': 409 },
      body: giveGoodwill,
    }),
    command({
      id: 'orders.merge_duplicates',
      ...ofOrders,
      summary: 'Of two orders for the same goods keep one and cancel the unpaid other with a link to it',
      input: mergeDuplicatesInput,
      output: changed,
      http: { method: 'POST', path: '/v1/orders/:order/duplicates', batchPath: '/v1/orders/duplicates/batch' },
      errors: { 'orders.not_found': 404, 'orders.not_duplicates': 409 },
      body: mergeDuplicates,
    }),
    command({
      id: 'orders.reorder',
      ...ofOrders,
      summary: 'Place a new order with the goods of an old one that the catalogue still has, at the prices given or the old ones',
      input: reorderInput,
      output: placed,
      http: { method: 'POST', path: '/v1/orders/:order/reorder', batchPath: '/v1/orders/reorder/batch', status: 201 },
      errors: { 'orders.not_found': 404, 'orders.nothing_left': 409, 'orders.total_too_large': 422, ...placeErrors },
      body: (context, asked) => reorder(deps, context, asked),
    }),
  ]
}
