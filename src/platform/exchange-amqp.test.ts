import { ConsumerStatus, Connection } from 'rabbitmq-client'
import { afterAll, describe, expect, it } from 'vitest'
import type { ExchangeMessage } from '#platform/exchange.ts'
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
    // The first message that is sent declares all exchanges, queues and bindings.
    const first = { id: 'first', topic: 'far.waybills.update', key: 'k', schemaVersion: 1, traceId: '', rehearsalId: null, body: {} }
    const sendFirst = () => exchange.submit({ traffic: 'live', rehearsalId: null }, [{ ...first, occurredAt: new Date(0) }])
    await untilTrue(
      () =>
        sendFirst().then(
          () => true,
          () => false,
        ),
      20_000,
      'the exchange',
    )
    // A partner that knows no header of ours, and one that dies of what it reads.
    const partner = new Connection(url)
    const sender = partner.createPublisher({ confirm: true })
    await sender.send(
      { exchange: 'throughline.live.inbound', routingKey: 'near.waybills.update', messageId: 'deadly', durable: true },
      { waybillId: 7 },
    )
    let deliveries = 0
    const reader = partner.createConsumer({ queue: 'throughline.live.from.near', queueOptions: { passive: true } }, () => {
      deliveries += 1
      return ConsumerStatus.REQUEUE
    })
    reader.on('error', () => undefined)
    const dead = () => exchange.deadLetters('from.near', 'live', 9)
    await untilTrue(async () => (await dead()).some(({ id }) => id === 'deadly'), 30_000, 'the dead letter')
    await reader.close()
    expect(deliveries).toBe(21)
    expect(await dead()).toMatchObject([{ id: 'deadly', topic: 'near.waybills.update', reason: 'delivered 20 times without an end' }])
    expect(await exchange.replay('from.near', 'live', 9)).toBe(1)
    const arrived: ExchangeMessage[] = []
    const taking = exchange.consume('from.near', 'live', async (message) => {
      arrived.push(message)
      return { end: 'done' }
    })
    await untilTrue(() => arrived.length > 0)
    expect(arrived).toMatchObject([{ id: 'deadly', topic: 'near.waybills.update', body: { waybillId: 7 } }])
    await taking.close()
    await sender.close()
    await partner.close()
    await exchange.close()
  })
})
