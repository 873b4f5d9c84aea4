import { command, type Operation } from '#platform/operation.ts'
import type { Catalogue } from './catalogue.ts'
import { answerClaims, inspectClaims, moveClaims, withdrawClaims } from './change-claims.ts'
import {
  answerClaimInput,
  claimChanged,
  inspectClaimInput,
  moveClaimInput,
  requestClaimInput,
  withdrawClaimInput,
} from './claim-schemas.ts'
import { requestClaims } from './request-claims.ts'

const ofClaims = {
  context: 'orders',
  audited: true,
  batch: { largest: 128, longestWaitMs: 1 },
  idempotency: 'required',
  priority: 'normal',
  output: claimChanged,
} as const

/** Who runs a warehouse tells how far goods are on their way back. */
const ofWarehouse = ['orders:write', 'fulfilment:write']

/** Returns, exchanges, goods sent again, and money without goods. */
export function claimOperations(catalogue: Catalogue): Operation[] {
  return [
    command({
      id: 'orders.request_claim',
      ...ofClaims,
      summary: 'Ask for a return, an exchange, lost or damaged goods again, or money without goods, for items or pieces of them',
      input: requestClaimInput,
      scopes: ['orders:write'],
      http: { method: 'POST', path: '/v1/orders/:order/claims', batchPath: '/v1/orders/claims/batch', status: 201 },
      errors: {
        'orders.not_found': 404,
        'orders.unknown_item': 422,
        'orders.named_twice': 422,
        'orders.quantity_too_large': 422,
        'orders.too_many_items': 422,
        'orders.no_replacement': 422,
        'orders.unknown_sku': 422,
        'orders.total_too_large': 422,
        'orders.not_claimable': 409,
        'orders.already_claimed': 409,
        'orders.too_many_claims': 409,
      },
      body: (context, asked) => requestClaims(catalogue, context, asked),
    }),
    command({
      id: 'orders.answer_claim',
      ...ofClaims,
      summary: 'Approve or reject a claim; approved, its pieces get rows of their own, and one without goods on the way back is settled',
      input: answerClaimInput,
      scopes: ['orders:write'],
      http: { method: 'POST', path: '/v1/claims/:claimId/answer', batchPath: '/v1/claims/answer/batch' },
      errors: {
        'orders.unknown_claim': 404,
        'orders.not_possible': 409,
        'orders.not_claimable': 409,
        'orders.too_many_items': 422,
        'orders.too_many_sections': 422,
      },
      body: answerClaims,
    }),
    command({
      id: 'orders.move_claim',
      ...ofClaims,
      summary: 'Note how far the goods of a claim are: pickup booked, in transit, received, or refused pieces sent back',
      input: moveClaimInput,
      scopes: ofWarehouse,
      http: { method: 'POST', path: '/v1/claims/:claimId/moves', batchPath: '/v1/claims/moves/batch' },
      errors: { 'orders.unknown_claim': 404, 'orders.not_possible': 409 },
      body: moveClaims,
    }),
    command({
      id: 'orders.inspect_claim',
      ...ofClaims,
      summary:
        'Tell what was found in the goods that came back; accepted and damaged pieces are settled, refused ones wait to be sent back',
      input: inspectClaimInput,
      scopes: ofWarehouse,
      http: { method: 'POST', path: '/v1/claims/:claimId/inspection', batchPath: '/v1/claims/inspections/batch' },
      errors: {
        'orders.unknown_claim': 404,
        'orders.unknown_item': 422,
        'orders.named_twice': 422,
        'orders.inspection_mismatch': 422,
        'orders.too_many_sections': 422,
        'orders.not_possible': 409,
      },
      body: inspectClaims,
    }),
    command({
      id: 'orders.withdraw_claim',
      ...ofClaims,
      summary: 'Take a claim back, until its goods are received; the customer keeps them',
      input: withdrawClaimInput,
      scopes: ['orders:write'],
      http: { method: 'POST', path: '/v1/claims/:claimId/withdrawal', batchPath: '/v1/claims/withdrawals/batch' },
      errors: { 'orders.unknown_claim': 404, 'orders.not_possible': 409 },
      body: withdrawClaims,
    }),
  ]
}
