import { describe } from 'vitest'
import { openAmqpExchange } from '#platform/exchange-amqp.ts'
import { contractPartners, keepsTheExchangeContract } from '#platform/exchange-contract-rig.ts'
import { startRabbitMq } from '#test/rabbitmq-server.ts'

const quiet = { warn: () => undefined }
const queueMost = 1_000
const broker = await startRabbitMq()

describe.skipIf(broker === undefined)('with RabbitMQ (skipped where it is missing)', () => {
  keepsTheExchangeContract({
    name: 'RabbitMQ',
    queueMost,
    open: async () => openAmqpExchange({ url: broker?.url ?? '', partners: contractPartners, queueMost, log: quiet }),
    close: async () => broker?.stop(),
  })
})
