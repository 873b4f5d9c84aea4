import type { ExchangeMessage, Handle, Verdict } from '#platform/exchange.ts'
import type { Runner } from '#platform/operation-runner.ts'
import { newTraceId, type Traffic } from '#platform/request-context.ts'
import type { Partner } from './partner-messages.ts'

/** Nothing was done, and asking again later under the same key is safe. */
const passing: ReadonlySet<string> = new Set(['platform.overloaded', 'platform.unavailable', 'platform.deadline', 'platform.limited'])

/**
 * What partners ask by message: the topic names an operation (`wms.waybills.update`), the body is its input, the id of the message its
 * idempotency key. A message that comes twice finds the first answer; one that the operation refuses is a dead letter with the reason.
 */
export function exchangeToOperations(runner: Pick<Runner, 'run'>, partner: Partner): Handle {
  return async (message: ExchangeMessage, traffic: Traffic): Promise<Verdict> => {
    const dead = (reason: string): Verdict => ({ end: 'dead', reason })
    const operation = partner.asks.find((id) => message.topic === `${partner.name}.${id}`)
    if (operation === undefined) return dead(`${partner.name} may not ask for "${message.topic}"`)
    if (message.id === '') return dead('the message has no id, so a second delivery of it could not be told')
    if (message.schemaVersion !== 1) return dead(`there is no version ${message.schemaVersion} of ${operation}`)
    if ((traffic === 'shadow') !== (message.rehearsalId !== null))
      return dead(traffic === 'shadow' ? 'a shadow message names its rehearsal' : 'a message of a rehearsal came to live traffic')
    const outcome = await runner.run(operation, {
      context: {
        traffic,
        rehearsalId: message.rehearsalId,
        actor: { id: `partner:${partner.name}`, scopes: partner.scopes },
        traceId: /^[0-9a-f]{32}$/.test(message.traceId) ? message.traceId : newTraceId(),
      },
      input: message.body,
      idempotencyKey: message.id,
    })
    if (outcome.ok) return { end: 'done' }
    const { code, detail, field } = outcome.error
    const reason = `${code}${field === undefined ? '' : ` ${field}`}: ${detail}`
    if (passing.has(code)) return { end: 'wait', reason }
    return code === 'platform.internal' ? { end: 'again', reason } : dead(reason)
  }
}
