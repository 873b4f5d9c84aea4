import { type CodeMeaning, type CodeTable, meaningOf } from './code-table.ts'
import { correiosCodes } from './codes-correios.ts'
import { dhlCodes } from './codes-dhl.ts'
import { fedexCodes } from './codes-fedex.ts'
import { fmsCodes } from './codes-fms.ts'

/** By source. What a code means depends on nothing but its source and itself, so that a fact is the same whichever way it came in. */
export const carrierCodes: Readonly<Record<string, CodeTable>> = {
  dhl: dhlCodes,
  fedex: fedexCodes,
  correios: correiosCodes,
  fms: fmsCodes,
}

/** Undefined where the source is no carrier that we know, or has no such code. */
export const carrierMeaningOf = (source: string, code: string): CodeMeaning | undefined => {
  const table = Object.hasOwn(carrierCodes, source) ? carrierCodes[source] : undefined
  return table === undefined ? undefined : meaningOf(table, code)
}
