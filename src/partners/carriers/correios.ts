import type { CarrierAdapter } from '#tracking'
import { readTime } from './local-time.ts'
import { EventReader, isObject, listAt, objectAt, objectOf, placeOf, shown, textAt, wrong } from './read-json.ts'
import { hexSignatureOf, sameText } from './shared-secret.ts'

export const correiosHeader = 'x-carrier-signature'

/**
 * Objects and events as Correios' tracking gives them: a code of letters and a type of digits, local time without a zone, the unit with its town. Correios is asked,
 * it does not call; what asks (a poller of the operator's, or a service that passes on) posts the answer here as it is and signs the body: HMAC-SHA-256 in hex, as most services
 * that pass on do it.
 */
export const correios: CarrierAdapter = {
  name: 'correios',
  isGenuine: ({ headers, body }, secret) => sameText(headers[correiosHeader] ?? '', hexSignatureOf(secret, body)),
  read(body) {
    const objects = listAt(objectOf(body) ?? {}, 'objetos')
    if (objects === undefined) return undefined
    const reader = new EventReader()
    for (const [index, object] of objects.entries()) {
      const at = `/objetos/${index}`
      const number = isObject(object) ? textAt(object, 'codObjeto', 64) : ''
      if (!isObject(object) || number === '') {
        reader.fail(`${at}/codObjeto`, 'an object has its number in "codObjeto"')
        continue
      }
      for (const [position, event] of (listAt(object, 'eventos') ?? []).entries()) {
        reader.take(`${at}/eventos/${position}`, event, (of) => {
          const written = of['dtHrCriado']
          const time = readTime(isObject(written) ? written['date'] : written, assumedOffsetMinutes)
          if (time === undefined) return wrong('dtHrCriado', `${shown(written)} is no time such as 2026-03-02T14:30:00`)
          const letters = textAt(of, 'codigo', 10).toUpperCase()
          const digits = textAt(of, 'tipo', 10)
          if (letters === '') return wrong('codigo', 'an event has a code such as BDE')
          const address = objectAt(objectAt(of, 'unidade'), 'endereco')
          return {
            number,
            code: digits === '' ? letters : `${letters}/${digits.padStart(2, '0')}`,
            occurredAt: time.at,
            zoneKnown: time.zoneKnown,
            place: placeOf(textAt(address, 'cidade', 60), textAt(address, 'uf', 4)),
            detail: textAt(of, 'descricao', 200),
          }
        })
      }
    }
    return reader
  },
}

/** Brasília: units of the west are one or two hours behind, which is why the zone counts as unknown. */
const assumedOffsetMinutes = -180
