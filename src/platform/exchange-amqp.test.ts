import { it } from 'vitest'
import { openAmqpExchange } from '#platform/exchange-amqp.ts'
import { contractPartners, keepsTheExchangeContract } from '#platform/exchange-contract-rig.ts'
import { startRabbitMq } from '#test/rabbitmq-server.ts'

const quiet = { warn: () => undefined }
const queueMost = 1_000
const broker = await startRabbitMq()
if (broker === undefined) it('partners by RabbitMQ: left out, since this machine has no RabbitMQ', ({ skip }) => skip())
else {
  keepsTheExchangeContract({
    name: 'RabbitMQ',
    queueMost,
    open: async () => openAmqpExchange({ url: broker.url, partners: contractPartners, queueMost, log: quiet }),
    close: () => broker.stop(),
  })
}
