import type { CarrierAdapter } from '#tracking'
import { readTime } from './local-time.ts'
import { EventReader, isObject, listAt, objectAt, objectOf, placeOf, shown, textAt, wrong } from './read-json.ts'
import { sameText } from './shared-secret.ts'

/** Our header for the token that the subscription names; DHL sends both as they were given to it. */
export const dhlHeader = 'x-carrier-token'

/**
 * The push of DHL's unified tracking. A body has shipments with their number, and each its events, newest first, all that are known so far: most of a message is
 * repetition. Times come from the DHL company at hand, some with an offset, some as local time. A subscription names a header and a token, and they are sent with each call.
 */
export const dhl: CarrierAdapter = {
  name: 'dhl',
  isGenuine: ({ headers }, secret) => sameText(headers[dhlHeader] ?? '', secret),
  read(body) {
    const shipments = listAt(objectOf(body) ?? {}, 'shipments')
    if (shipments === undefined) return undefined
    const reader = new EventReader()
    for (const [index, shipment] of shipments.entries()) {
      const at = `/shipments/${index}`
      const number = isObject(shipment) ? textAt(shipment, 'id', 64) : ''
      if (!isObject(shipment) || number === '') reader.fail(`${at}/id`, 'a shipment has its number in "id"')
      else {
        // A message without a history has its one event as the status.
        const events = listAt(shipment, 'events') ?? [shipment['status']]
        const inside = listAt(shipment, 'events') === undefined ? `${at}/status` : undefined
        for (const [position, event] of events.entries()) {
          reader.take(inside ?? `${at}/events/${position}`, event, (of) => {
            const time = readTime(of['timestamp'], assumedOffsetMinutes)
            if (time === undefined) return wrong('timestamp', `${shown(of['timestamp'])} is no time such as 2026-03-02T07:53:47+01:00`)
            const statusCode = textAt(of, 'statusCode', 32).toLowerCase()
            if (statusCode === '') return wrong('statusCode', 'an event has one of pre-transit, transit, delivered, failure, unknown')
            const word = textAt(of, 'status', 30).toUpperCase()
            const address = objectAt(objectAt(of, 'location'), 'address')
            return {
              number,
              code: word === '' || word === statusCode.toUpperCase() ? statusCode : `${statusCode}/${word}`,
              occurredAt: time.at,
              zoneKnown: time.zoneKnown,
              place: placeOf(textAt(address, 'addressLocality', 60), textAt(address, 'countryCode', 10)),
              detail: textAt(of, 'description', 200),
            }
          })
        }
      }
    }
    return reader
  },
}

/** Bonn, in winter: most of the companies that leave the offset out are there. */
const assumedOffsetMinutes = 60
