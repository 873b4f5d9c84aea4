import type { CarrierAdapter } from '#tracking'
import { readTime } from './local-time.ts'
import { EventReader, isObject, listAt, objectAt, objectOf, placeOf, shown, textAt, wrong } from './read-json.ts'
import { hmacOf, sameText } from './shared-secret.ts'

export const fedexHeader = 'fdx-signature'

/**
 * FedEx's tracking webhook. A body has results by tracking number, and each its scans with a two-letter type, a number of what went wrong where something did,
 * and a time with its offset. The body is signed: HMAC-SHA-256 by the token of the subscription.
 */
export const fedex: CarrierAdapter = {
  name: 'fedex',
  isGenuine: ({ headers, body }, secret) => sameText(headers[fedexHeader] ?? '', hmacOf(secret, body)),
  read(body) {
    const results = listAt(objectAt(objectOf(body) ?? {}, 'output'), 'completeTrackResults')
    if (results === undefined) return undefined
    const reader = new EventReader()
    for (const [index, result] of results.entries()) {
      const at = `/output/completeTrackResults/${index}`
      const number = isObject(result) ? textAt(result, 'trackingNumber', 64) : ''
      if (!isObject(result) || number === '') {
        reader.fail(`${at}/trackingNumber`, 'a result has its tracking number')
        continue
      }
      const scans = (listAt(result, 'trackResults') ?? []).flatMap((one, position) =>
        (listAt(isObject(one) ? one : {}, 'scanEvents') ?? []).map((scan, nth) => ({
          scan,
          at: `${at}/trackResults/${position}/scanEvents/${nth}`,
        })),
      )
      for (const { scan, at: place } of scans) {
        reader.take(place, scan, (of) => {
          const time = readTime(of['date'], 0)
          if (time === undefined) return wrong('date', `${shown(of['date'])} is no time such as 2026-03-02T12:01:00-07:00`)
          const type = textAt(of, 'eventType', 10).toUpperCase()
          if (type === '') return wrong('eventType', 'a scan has a type such as DL')
          const exception = textAt(of, 'exceptionCode', 10)
          const location = objectAt(of, 'scanLocation')
          return {
            number,
            code: exception === '' ? type : `${type}/${exception}`,
            occurredAt: time.at,
            zoneKnown: time.zoneKnown,
            place: placeOf(textAt(location, 'city', 60), textAt(location, 'stateOrProvinceCode', 10), textAt(location, 'countryCode', 10)),
            detail: textAt(of, 'exceptionDescription', 200) || textAt(of, 'eventDescription', 200),
          }
        })
      }
    }
    return reader
  },
}
