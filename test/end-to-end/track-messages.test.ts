import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Exchange, ExchangeMessage } from '#platform/exchange.ts'
import { openAmqpExchange } from '#platform/exchange-amqp.ts'
import { startRabbitMq } from '#test/rabbitmq-server.ts'
import { untilTrue } from '#test/until.ts'
import { openWhole, type Whole } from '#test/whole.ts'

const live = { traffic: 'live', rehearsalId: null } as const
const broker = await startRabbitMq()
afterAll(() => broker?.stop())

const carriers: [string, Record<string, string> | undefined][] = [
  ['tables of our own', {}],
  ['RabbitMQ (skipped where it is missing)', broker === undefined ? undefined : { AMQP_URL: broker.url }],
]

describe.each(carriers)('facts by messages through %s', (_, variables) => {
  describe.skipIf(variables === undefined)('of the partner track', { timeout: 120_000 }, () => {
    let whole: Whole
    let outside: Exchange

    beforeAll(async () => {
      whole = await openWhole({ PARTNERS: 'track', ...variables })
      await whole.core.partners.open(whole.core.runner)
      const { exchange } = whole.core.partners
      outside =
        variables?.['AMQP_URL'] === undefined
          ? exchange
          : openAmqpExchange({ url: variables['AMQP_URL'], partners: ['track'], log: { warn: () => undefined } })
      for (const each of [outside, exchange])
        await untilTrue(
          () =>
            each.states('live').then(
              () => true,
              () => false,
            ),
          20_000,
          'the exchange',
        )
    }, 120_000)
    afterAll(async () => {
      if (outside !== whole.core.partners.exchange) await outside.close()
      await whole.close()
    })

    const occurredAt = new Date(Date.now() - 3_600_000).toISOString()
    const fact = (number: string, change: object = {}) => ({
      carrier: 'posta',
      number,
      code: 'in_transit',
      occurredAt,
      source: 'posta',
      ...change,
    })
    const send = (id: string, body: unknown, topic = 'track.tracking.ingest_many') => {
      const message: ExchangeMessage = {
        id,
        topic,
        key: 'posta',
        schemaVersion: 1,
        occurredAt: new Date(),
        traceId: 'a'.repeat(32),
        rehearsalId: null,
        body,
      }
      return outside.submit(live, [message])
    }
    const kept = async () => {
      const admin = await whole.t.admin('live')
      const { rows } = await admin.query(`select feed, position, body, code, field from tracking.refused_fact order by id`)
      return rows as { feed: string; position: string; body: string; code: string; field: string }[]
    }
    const stateOf = async (number: string) => (await whole.call('GET', `/v1/track/numbers/${number}`)).body.state as string | undefined

    it('records the good ones, keeps each bad one with its reason, and is harmless when it comes again', async () => {
      const events = [
        fact('GOOD1'),
        fact('BAD1', { code: undefined }),
        'no fact at all',
        fact('BAD2', { occurredAt: '2019-01-01T00:00:00Z' }),
        fact('BAD3', { detail: 'torn \u0000 text' }),
        fact('GOOD2', { code: 'delivered' }),
      ]
      await send('facts-1', { events })
      await send('facts-1', { events })
      // Messages of one key come in order: with this one the two before it are done.
      await send('facts-2', { events: [fact('GOOD3'), fact('BAD4', { source: 'fulfilment' })] })
      await untilTrue(async () => (await stateOf('GOOD3')) === 'in_transit', 60_000, 'the last message')
      expect([await stateOf('GOOD1'), await stateOf('GOOD2'), await stateOf('BAD1')]).toEqual(['in_transit', 'delivered', undefined])
      expect((await kept()).map(({ feed, position, code, field }) => [feed, position, code, field])).toEqual([
        ['partner:track', 'facts-1/1', 'platform.invalid_input', '/code'],
        ['partner:track', 'facts-1/2', 'platform.invalid_input', expect.any(String)],
        ['partner:track', 'facts-1/3', 'tracking.too_long_ago', '/occurredAt'],
        ['partner:track', 'facts-1/4', 'tracking.unstorable_text', '/detail'],
        ['partner:track', 'facts-2/1', 'tracking.own_source', '/source'],
      ])
      expect(JSON.parse((await kept())[2]?.body ?? '')).toMatchObject({ number: 'BAD2' })
      expect(await whole.core.partners.exchange.deadLetters('from.track', 'live', 10)).toEqual([])
    })

    it('answers callers over HTTP and keeps nothing for them', async () => {
      const before = (await kept()).length
      const { body } = await whole.call('POST', '/v1/track/events/bulk', { events: [fact('HTTP1'), fact('HTTP2', { code: undefined })] })
      expect(body).toMatchObject({ added: 1, refused: [{ index: 1, field: '/code' }] })
      expect(await kept()).toHaveLength(before)
    })

    it('a single fact that is refused is a dead letter with the reason', async () => {
      await send('one-1', fact('BAD5', { source: 'fulfilment' }), 'track.tracking.ingest')
      await untilTrue(
        async () => (await whole.core.partners.exchange.deadLetters('from.track', 'live', 10)).length === 1,
        60_000,
        'a dead letter',
      )
      const [dead] = await whole.core.partners.exchange.deadLetters('from.track', 'live', 10)
      expect(dead?.reason).toMatch(/^tracking.own_source \/source/)
    })

    it('a code that is in no table is counted in one place, whichever way it comes, and once for a fact that repeats itself', async () => {
      const strange = (number: string) => fact(number, { code: 'ZZ9', source: 'strange' })
      await whole.call('POST', '/v1/track/events', strange('WAY1'))
      await whole.call('POST', '/v1/track/events/bulk', { events: [strange('WAY2'), strange('WAY2'), strange('WAY1')] })
      await send('ways-1', { events: [strange('WAY3')] })
      const { feeds, databases, tracking } = whole.core
      feeds.start()
      await feeds.streamsOf('live').append(feeds.topic, [{ key: 'WAY4', value: JSON.stringify(strange('WAY4')) }])
      const codes = async () => (await whole.call('GET', '/v1/track/unknown-codes')).body.codes as { code: string; times: number }[]
      await untilTrue(async () => (await codes()).find(({ code }) => code === 'ZZ9')?.times === 4, 60_000, 'four facts with the code')
      // Events of the house go by another door to the same place.
      await databases.of('tracking').write(live, (context) =>
        tracking.recordFacts(context, [
          { ...strange('WAY5'), occurredAt: new Date(occurredAt) },
          { ...strange('WAY4'), occurredAt: new Date(occurredAt) },
        ]),
      )
      expect(await codes()).toEqual([expect.objectContaining({ source: 'strange', code: 'ZZ9', times: 5, example: 'WAY1' })])
      expect(await whole.core.metrics.text()).toContain('throughline_track_unknown_codes{traffic="live",source="strange"} 5')
    })
  })
})
