import { ConsumerStatus, Connection } from 'rabbitmq-client'
import { afterAll, describe, expect, it } from 'vitest'
import { openAmqpExchange } from '#platform/exchange-amqp.ts'
import { contractPartners, keepsTheExchangeContract } from '#platform/exchange-contract-rig.ts'
import { startRabbitMq } from '#test/rabbitmq-server.ts'
import { untilTrue } from '#test/until.ts'

const quiet = { warn: () => undefined }
const queueMost = 1_000
const broker = await startRabbitMq()
afterAll(() => broker?.stop())

describe.skipIf(broker === undefined)('with RabbitMQ (skipped where it is missing)', () => {
  keepsTheExchangeContract({
    name: 'RabbitMQ',
    queueMost,
    open: async () => openAmqpExchange({ url: broker?.url ?? '', partners: contractPartners, queueMost, log: quiet }),
    close: async () => undefined,
  })

  it('a message of which its reader dies again and again is sorted out by the broker itself', { timeout: 60_000 }, async () => {
    const url = broker?.url ?? ''
    const exchange = openAmqpExchange({ url, partners: contractPartners, queueMost, log: quiet })
    const message = {
      id: 'deadly',
      topic: 'near.order.moved',
      key: 'k',
      schemaVersion: 1,
      occurredAt: new Date(0),
      traceId: '',
      rehearsalId: null,
      body: {},
    }
    await untilTrue(
      () =>
        exchange.submit({ traffic: 'live', rehearsalId: null }, [message]).then(
          () => true,
          () => false,
        ),
      20_000,
      'the exchange',
    )
    let deliveries = 0
    const reader = new Connection(url)
    const consumer = reader.createConsumer({ queue: 'throughline.live.from.near', queueOptions: { passive: true } }, () => {
      deliveries += 1
      return ConsumerStatus.REQUEUE
    })
    consumer.on('error', () => undefined)
    await untilTrue(
      async () => (await exchange.deadLetters('from.near', 'live', 9)).some(({ id }) => id === 'deadly'),
      30_000,
      'the dead letter',
    )
    expect(deliveries).toBe(21)
    expect(await exchange.deadLetters('from.near', 'live', 9)).toMatchObject([
      { id: 'deadly', reason: 'delivered 20 times without an end' },
    ])
    await consumer.close()
    await reader.close()
    await exchange.close()
  })
})
