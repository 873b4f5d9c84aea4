export { openStripeAdapter, type StripeAdapterOptions } from './adapter.ts'
