import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { carrierCodes, carrierMeaningOf } from '#tracking'
import { carrierAdapters, correiosHeader, dhlHeader, fedexHeader, hexSignatureOf, hmacOf } from './index.ts'
import { readTime } from './local-time.ts'

const adapterOf = (name: string) => {
  const found = carrierAdapters.find((adapter) => adapter.name === name)
  if (found === undefined) throw new Error(`no adapter ${name}`)
  return found
}

const dhlBody = {
  shipments: [
    {
      id: '00340434161094042557',
      service: 'parcel-de',
      status: { timestamp: '2026-03-03T09:12:00+01:00', statusCode: 'transit', status: 'OUT FOR DELIVERY' },
      events: [
        {
          timestamp: '2026-03-03T09:12:00+01:00',
          statusCode: 'transit',
          status: 'out for delivery',
          description: 'The shipment is with the courier',
          location: { address: { countryCode: 'DE', addressLocality: 'Köln' } },
        },
        {
          timestamp: '2026-03-02T21:40:00',
          statusCode: 'transit',
          status: 'TRANSIT',
          location: { address: { addressLocality: 'Bremen' } },
        },
        { timestamp: '2026-02-30T10:00:00', statusCode: 'transit' },
        { timestamp: '2026-03-02T10:00:00' },
        'not an event',
      ],
    },
    { service: 'parcel-de', events: [] },
    { id: 'JD0146', status: { timestamp: '2026-03-02T08:00:00Z', statusCode: 'teleported' } },
  ],
}
const fedexBody = {
  output: {
    completeTrackResults: [
      {
        trackingNumber: '794887075005',
        trackResults: [
          {
            scanEvents: [
              {
                date: '2026-03-04T11:03:00-08:00',
                eventType: 'DE',
                exceptionCode: '08',
                exceptionDescription: 'Customer not available',
                scanLocation: { city: 'SEATTLE', stateOrProvinceCode: 'WA', countryCode: 'US' },
              },
              { date: '2026-03-03T06:00:00-08:00', eventType: 'AR', eventDescription: 'At local facility', scanLocation: {} },
              { date: 'yesterday', eventType: 'DP' },
              { date: '2026-03-03T05:00:00-08:00', eventType: 'ZZ' },
            ],
          },
        ],
      },
    ],
  },
}
const correiosBody = {
  objetos: [
    {
      codObjeto: 'QB123456785BR',
      eventos: [
        {
          codigo: 'BDE',
          tipo: '01',
          dtHrCriado: '2026-03-05T14:30:00',
          descricao: 'Objeto entregue ao destinatário',
          unidade: { endereco: { cidade: 'CURITIBA', uf: 'PR' } },
        },
        { codigo: 'OEC', tipo: 1, dtHrCriado: { date: '2026-03-05 09:00:00.000000' }, unidade: {} },
        { codigo: 'RO', tipo: '01', dtHrCriado: '05/03/2026' },
        { tipo: '01', dtHrCriado: '2026-03-04T09:00:00' },
      ],
    },
  ],
}

describe('messages of carriers', () => {
  it('of DHL: words in parts, some times with an offset and some without', () => {
    const read = adapterOf('dhl').read(JSON.stringify(dhlBody))
    expect(read?.events).toEqual([
      {
        number: '00340434161094042557',
        code: 'transit/OUT FOR DELIVERY',
        occurredAt: new Date('2026-03-03T08:12:00Z'),
        zoneKnown: true,
        place: 'Köln, DE',
        detail: 'The shipment is with the courier',
      },
      {
        number: '00340434161094042557',
        code: 'transit',
        occurredAt: new Date('2026-03-02T20:40:00Z'),
        zoneKnown: false,
        place: 'Bremen',
        detail: '',
      },
      { number: 'JD0146', code: 'teleported', occurredAt: new Date('2026-03-02T08:00:00Z'), zoneKnown: true, place: '', detail: '' },
    ])
    expect(read?.broken).toEqual([
      { at: '/shipments/0/events/2/timestamp', detail: '"2026-02-30T10:00:00" is no time such as 2026-03-02T07:53:47+01:00' },
      { at: '/shipments/0/events/3/statusCode', detail: 'an event has one of pre-transit, transit, delivered, failure, unknown' },
      { at: '/shipments/0/events/4', detail: 'an event is an object' },
      { at: '/shipments/1/id', detail: 'a shipment has its number in "id"' },
    ])
  })

  it('of FedEx: two letters, a number of what went wrong, and times with their offset', () => {
    const read = adapterOf('fedex').read(JSON.stringify(fedexBody))
    expect(read?.events.map(({ code, occurredAt, zoneKnown, place }) => [code, occurredAt.toISOString(), zoneKnown, place])).toEqual([
      ['DE/08', '2026-03-04T19:03:00.000Z', true, 'SEATTLE, WA, US'],
      ['AR', '2026-03-03T14:00:00.000Z', true, ''],
      ['ZZ', '2026-03-03T13:00:00.000Z', true, ''],
    ])
    expect(read?.broken.map(({ at }) => at)).toEqual(['/output/completeTrackResults/0/trackResults/0/scanEvents/2/date'])
  })

  it('of Correios: letters and digits, local time without a zone', () => {
    const read = adapterOf('correios').read(JSON.stringify(correiosBody))
    expect(read?.events.map(({ code, occurredAt, zoneKnown, place }) => [code, occurredAt.toISOString(), zoneKnown, place])).toEqual([
      ['BDE/01', '2026-03-05T17:30:00.000Z', false, 'CURITIBA, PR'],
      ['OEC/01', '2026-03-05T12:00:00.000Z', false, ''],
    ])
    expect(read?.broken.map(({ at }) => at)).toEqual(['/objetos/0/eventos/2/dtHrCriado', '/objetos/0/eventos/3/codigo'])
  })

  it('are refused as a whole only when they are no message of the carrier', () => {
    for (const adapter of carrierAdapters)
      for (const body of ['', '{', '[]', 'null', '{"shipments":{}}', '{"output":[]}']) expect(adapter.read(body)).toBeUndefined()
  })

  it('never make an adapter throw, whatever stands in the places of what it reads', () => {
    const anything = fc.jsonValue({ maxDepth: 3 })
    fc.assert(
      fc.property(fc.constantFrom(dhlBody, fedexBody, correiosBody), fc.nat(60), anything, (body, nth, value) => {
        let seen = 0
        const changed = JSON.stringify(body, (_name, inner: unknown) => (seen++ === nth + 1 ? value : inner))
        for (const adapter of carrierAdapters) {
          for (const event of adapter.read(changed)?.events ?? []) {
            expect(Number.isNaN(event.occurredAt.getTime())).toBe(false)
            expect(event.code.length).toBeLessThanOrEqual(64)
            expect(event.place.length).toBeLessThanOrEqual(100)
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('who a message is from', () => {
  it('is proven by a token or a signature of the body, and by nothing near them', () => {
    const secret = 'a-secret:that-we-agreed-on'
    const body = JSON.stringify(fedexBody)
    const proofs: Record<string, Record<string, string>> = {
      dhl: { [dhlHeader]: secret },
      fedex: { [fedexHeader]: hmacOf(secret, body) },
      correios: { [correiosHeader]: hexSignatureOf(secret, body) },
    }
    for (const adapter of carrierAdapters) {
      const headers = proofs[adapter.name] ?? {}
      expect(adapter.isGenuine({ headers, body }, secret)).toBe(true)
      expect(adapter.isGenuine({ headers, body }, `${secret}.`)).toBe(false)
      expect(adapter.isGenuine({ headers: {}, body }, secret)).toBe(false)
    }
    for (const name of ['fedex', 'correios'])
      expect(adapterOf(name).isGenuine({ headers: proofs[name] ?? {}, body: `${body} ` }, secret)).toBe(false)
  })
})

describe('times of carriers', () => {
  it('are read with their offset, or taken as of a place and said to be so', () => {
    expect(readTime('2026-03-02T07:53:47Z', 60)).toEqual({ at: new Date('2026-03-02T07:53:47Z'), zoneKnown: true })
    expect(readTime('2026-03-02T07:53:47.123+0530', 0)).toEqual({ at: new Date('2026-03-02T02:23:47Z'), zoneKnown: true })
    expect(readTime('2026-03-02 07:53', -180)).toEqual({ at: new Date('2026-03-02T10:53:00Z'), zoneKnown: false })
    for (const none of ['2026-02-29T10:00:00Z', '2026-03-02T24:00:00Z', '2026-03-02T10:00:00+15:00', '0000-01-01T00:00:00Z', '', 7, null])
      expect(readTime(none, 0)).toBeUndefined()
  })
})

describe('tables of codes', () => {
  it('say what a code means by itself, or by its first part', () => {
    expect(carrierMeaningOf('fedex', 'DE/08')?.milestone).toBe('attempted')
    expect(carrierMeaningOf('fedex', 'DE/99')?.milestone).toBe('exception')
    expect(carrierMeaningOf('dhl', 'transit/SOMETHING NEW')?.milestone).toBe('in_transit')
    expect(carrierMeaningOf('correios', 'BDI/20')?.milestone).toBe('attempted')
    expect(carrierMeaningOf('correios', 'BDE/98')).toBeUndefined()
    expect(carrierMeaningOf('fedex', 'constructor')).toBeUndefined()
    expect(carrierMeaningOf('toString', 'DL')).toBeUndefined()
  })

  it('each have a delivery, a failed attempt, a return and a problem', () => {
    for (const [carrier, table] of Object.entries(carrierCodes)) {
      const found = new Set(Object.values(table).map(({ milestone }) => milestone))
      for (const milestone of [
        'accepted',
        'in_transit',
        'at_hub',
        'out_for_delivery',
        'attempted',
        'delivered',
        'exception',
        'returning',
        'returned',
        'cancelled',
      ])
        expect([carrier, milestone, found.has(milestone as 'delivered')]).toEqual([carrier, milestone, true])
    }
  })
})
