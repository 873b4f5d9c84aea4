import { describe, expect, it } from 'vitest'
import { accepted, type Outcome, refused } from '#kernel/outcome.ts'
import type { ExchangeMessage } from '#platform/exchange.ts'
import type { Call } from '#platform/operation-runner.ts'
import type { Traffic } from '#platform/request-context.ts'
import { exchangeToOperations } from './exchange-to-operations.ts'
import { partners } from './partner-messages.ts'

const [wms] = partners
if (wms === undefined) throw new Error('there is no partner')
const message: ExchangeMessage = {
  id: 'm-1',
  topic: 'wms.waybills.update',
  key: '7',
  schemaVersion: 1,
  occurredAt: new Date(0),
  traceId: 'a'.repeat(32),
  rehearsalId: null,
  body: { waybillId: 7, to: 'picked' },
}
/** What the message ends as, and what was called for it. */
const hear = async (given: Partial<ExchangeMessage>, outcome: Outcome<unknown> = accepted({}), traffic: Traffic = 'live') => {
  const calls: { id: string; call: Call }[] = []
  const run = async (id: string, call: Call) => {
    calls.push({ id, call })
    return outcome
  }
  return { verdict: await exchangeToOperations({ run }, wms)({ ...message, ...given }, traffic), calls }
}

describe('a message of a partner', () => {
  it('runs the operation that its topic names, as that partner, under its own id as key', async () => {
    expect(await hear({})).toMatchObject({
      verdict: { end: 'done' },
      calls: [
        {
          id: 'waybills.update',
          call: {
            input: message.body,
            idempotencyKey: 'm-1',
            context: {
              traffic: 'live',
              rehearsalId: null,
              traceId: message.traceId,
              actor: { id: 'partner:wms', scopes: ['sales-orders:write', 'waybills:write'] },
            },
          },
        },
      ],
    })
  })

  it.each([
    ['may not ask', { topic: 'wms.orders.place' }],
    ['may not ask', { topic: 'hybris.orders.place' }],
    ['has no id', { id: '' }],
    ['no version 2', { schemaVersion: 2 }],
    ['of a rehearsal came to live', { rehearsalId: 'r-1' }],
  ])('is dead at once, and nothing runs, when it %s: %o', async (reason, given) => {
    expect(await hear(given)).toEqual({ verdict: { end: 'dead', reason: expect.stringContaining(reason) }, calls: [] })
  })

  it('of shadow traffic must name its rehearsal, and runs in it', async () => {
    expect((await hear({}, accepted({}), 'shadow')).verdict).toMatchObject({ end: 'dead' })
    const { calls } = await hear({ rehearsalId: 'r-1' }, accepted({}), 'shadow')
    expect(calls).toMatchObject([{ call: { context: { traffic: 'shadow', rehearsalId: 'r-1' } } }])
  })

  it('waits while what it needs is away, is tried again after a fault of ours, and is dead when it is refused', async () => {
    const ended = async (code: string) => (await hear({}, refused(code, 'it says why', '/to'))).verdict
    expect(await ended('platform.unavailable')).toMatchObject({ end: 'wait' })
    expect(await ended('platform.limited')).toMatchObject({ end: 'wait' })
    expect(await ended('platform.internal')).toMatchObject({ end: 'again' })
    expect(await ended('fulfilment.not_movable')).toEqual({ end: 'dead', reason: 'fulfilment.not_movable /to: it says why' })
  })
})
