/** What can be wrong with a new order, with the HTTP status of each. */
export const placeErrors = {
  'orders.unknown_store': 422,
  'orders.unknown_sku': 422,
  'orders.two_currencies': 422,
  'orders.total_mismatch': 422,
  'orders.payment_mismatch': 422,
  'orders.discount_too_large': 422,
  'orders.too_many_items': 422,
} as const
