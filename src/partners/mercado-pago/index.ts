export { type MercadoPagoAdapterOptions, openMercadoPagoAdapter } from './adapter.ts'
