import { afterAll, describe } from 'vitest'
import { openKafkaStreams } from '#platform/streams-kafka.ts'
import { keepsTheStreamsContract } from '#platform/streams-contract-rig.ts'
import { startKafkaServer } from '#test/kafka-server.ts'

const server = await startKafkaServer()
afterAll(() => server?.stop())

describe.skipIf(server === undefined)('with Kafka (skipped where kcat is missing)', () => {
  keepsTheStreamsContract({
    name: 'Kafka',
    open: async () =>
      openKafkaStreams({
        brokers: [server?.broker ?? ''],
        prefix: 'throughline.live.',
        sessionTimeoutMs: 6_000,
        log: { warn: () => undefined },
      }),
    close: async () => undefined,
  })
})
