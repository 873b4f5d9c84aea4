import type { CarrierAdapter } from '#tracking'
import { correios } from './correios.ts'
import { dhl } from './dhl.ts'
import { fedex } from './fedex.ts'

/** How the carriers that we know speak, by name. */
export const carrierAdapters: readonly CarrierAdapter[] = [dhl, fedex, correios]

export { correiosHeader } from './correios.ts'
export { dhlHeader } from './dhl.ts'
export { fedexHeader } from './fedex.ts'
export { hexSignatureOf, hmacOf } from './shared-secret.ts'
