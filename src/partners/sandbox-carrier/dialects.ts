import { correiosHeader, dhlHeader, fedexHeader, hexSignatureOf, hmacOf } from '#partners/carriers/index.ts'
import type { CarrierFact, Happening } from './journeys.ts'

/** How a carrier writes down what it knows. Made from the same public pages as the adapters, and by no line of theirs. */
export interface Dialect {
  readonly name: string
  readonly codes: Readonly<Record<Happening, string>>
  /** A message with the events of some parcels. `spoil` makes events that can not be read beside the good ones. */
  write(facts: readonly CarrierFact[], spoil: boolean): string
  sign(body: string, secret: string): Readonly<Record<string, string>>
}

const iso = (at: number): string => new Date(at).toISOString().slice(0, 19)
/** Local time of a place, with its offset or without. */
const local = (at: number, minutes: number): string => iso(at + minutes * 60_000)

const byNumber = (facts: readonly CarrierFact[]): [string, readonly CarrierFact[]][] => [...Map.groupBy(facts, ({ number }) => number)]

const dhl: Dialect = {
  name: 'dhl',
  codes: {
    announced: 'pre-transit/LABEL CREATED',
    picked_up: 'transit/PICKED UP',
    at_hub: 'transit/ARRIVED',
    left_hub: 'transit/DEPARTED',
    out: 'transit/OUT FOR DELIVERY',
    nobody_in: 'failure/NOT HOME',
    handed_over: 'delivered',
    sent_back: 'failure/RETURN',
    back: 'delivered/RETURNED',
    damaged: 'failure/DAMAGED',
    curiosity: 'mystery/SEEN BY A DRONE',
  },
  write: (facts, spoil) =>
    JSON.stringify({
      shipments: [
        ...byNumber(facts).map(([id, of]) => ({
          id,
          service: 'parcel',
          events: of.map(({ happening, at, town }, nth) => {
            const [statusCode, status] = dhl.codes[happening].split('/')
            // Some companies of the group leave the offset out.
            const timestamp = nth % 3 === 2 ? local(at, 60) : `${local(at, 60)}+01:00`
            return { timestamp, statusCode, ...(status === undefined ? {} : { status }), location: { address: { addressLocality: town } } }
          }),
        })),
        ...(spoil ? [{ id: 'SPOILED', events: [{ timestamp: 'soon', statusCode: 'transit' }, null] }] : []),
      ],
    }),
  sign: (_body, secret) => ({ [dhlHeader]: secret }),
}

const fedex: Dialect = {
  name: 'fedex',
  codes: {
    announced: 'OC',
    picked_up: 'PU',
    at_hub: 'AR',
    left_hub: 'DP',
    out: 'OD',
    nobody_in: 'DE/08',
    handed_over: 'DL',
    sent_back: 'RS',
    back: 'RD',
    damaged: 'SE/11',
    curiosity: 'QQ',
  },
  write: (facts, spoil) =>
    JSON.stringify({
      output: {
        completeTrackResults: byNumber(facts).map(([trackingNumber, of]) => ({
          trackingNumber,
          trackResults: [
            {
              scanEvents: [
                ...of.map(({ happening, at, town }) => {
                  const [eventType, exceptionCode = ''] = fedex.codes[happening].split('/')
                  return { date: `${local(at, -420)}-07:00`, eventType, exceptionCode, scanLocation: { city: town, countryCode: 'US' } }
                }),
                ...(spoil ? [{ date: '2026-13-01T00:00:00Z', eventType: 'DL' }, { eventType: 'AR' }] : []),
              ],
            },
          ],
        })),
      },
    }),
  sign: (body, secret) => ({ [fedexHeader]: hmacOf(secret, body) }),
}

const correios: Dialect = {
  name: 'correios',
  codes: {
    announced: 'ET/01',
    picked_up: 'PO/01',
    at_hub: 'CAR/01',
    left_hub: 'RO/01',
    out: 'OEC/01',
    nobody_in: 'BDE/20',
    handed_over: 'BDE/01',
    sent_back: 'FC/01',
    back: 'BDE/23',
    damaged: 'BDE/12',
    curiosity: 'XYZ/99',
  },
  write: (facts, spoil) =>
    JSON.stringify({
      objetos: byNumber(facts).map(([codObjeto, of]) => ({
        codObjeto,
        eventos: [
          ...of.map(({ happening, at, town }) => {
            const [codigo, tipo] = correios.codes[happening].split('/')
            return { codigo, tipo, dtHrCriado: local(at, -180), unidade: { endereco: { cidade: town, uf: 'PE' } } }
          }),
          ...(spoil ? [{ codigo: 'BDE', tipo: '01', dtHrCriado: '31/02/2026' }, 7] : []),
        ],
      })),
    }),
  sign: (body, secret) => ({ [correiosHeader]: hexSignatureOf(secret, body) }),
}

export const dialects: readonly Dialect[] = [dhl, fedex, correios]
