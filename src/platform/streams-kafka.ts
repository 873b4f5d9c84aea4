import {
  Consumer,
  type ConsumerOptions,
  kGetApi,
  listOffsetsV3,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka'
import { EngineAway } from '#platform/exchange.ts'
import {
  largestTake,
  type Reading,
  restAfterFailureMs,
  type StreamRecord,
  type Streams,
  type StreamsLog,
  type TakeRecords,
} from '#platform/streams.ts'

export interface KafkaStreamsOptions {
  /** `host:port` of some brokers. */
  readonly brokers: readonly string[]
  /** Stands before the names of topics and groups: a rehearsal has its own. */
  readonly prefix: string
  /** How long a member that is killed keeps its partitions, ms; 10,000 unless told. */
  readonly sessionTimeoutMs?: number
  /** A topic that is not there is made with the broker's standard settings. Off where topics are made by people. */
  readonly makeTopics?: boolean
  readonly log: StreamsLog
}

type TextConsumer = Consumer<string, string, string, string>

/** Asks for offsets in a version that every broker from 0.11 to 4 has: newer ones are answered wrongly by librdkafka's broker for tests. */
class PatientConsumer extends Consumer<string, string, string, string> {
  override [kGetApi](name: string, callback: (error: Error | null, api?: never) => void): void {
    if (name === 'ListOffsets') callback(null, listOffsetsV3.api as never)
    else super[kGetApi](name, callback as never)
  }
}

/**
 * Streams by Kafka. @platformatic/kafka, since it is JavaScript alone (Confluent's client is librdkafka and is built or fetched while it
 * is installed) and was seen to keep the contract on a broker; kafkajs has had no release since 2023.
 */
export function openKafkaStreams(options: KafkaStreamsOptions): Streams {
  const { brokers, prefix, log, sessionTimeoutMs = 10_000, makeTopics = true } = options
  const base = { clientId: 'throughline', bootstrapBrokers: [...brokers], timeout: 10_000, retries: 3, autocreateTopics: makeTopics }
  const consumerOf = (group: string): TextConsumer => {
    const settings: ConsumerOptions<string, string, string, string> = {
      ...base,
      groupId: `${prefix}${group}`,
      deserializers: stringDeserializers,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.floor(sessionTimeoutMs / 10),
    }
    return new PatientConsumer(settings)
  }
  let producer: Producer<string, string, string, string> | undefined
  const readings = new Set<Reading>()
  return {
    async append(topic, records) {
      if (records.length === 0) return
      // acks -1: all replicas that are in step have it.
      producer ??= new Producer({ ...base, serializers: stringSerializers, acks: -1 })
      const messages = records.map(({ key, value }) => ({ topic: `${prefix}${topic}`, key, value }))
      await producer.send({ messages }).catch((error: unknown) => {
        throw new EngineAway(`Kafka did not take ${records.length} records: ${(error as Error).message}`, { cause: error })
      })
    },
    read(topic, group, take, { largest = largestTake } = {}) {
      const reading = new KafkaReading({ open: () => consumerOf(group), topic: `${prefix}${topic}`, take, largest, log })
      readings.add(reading)
      return {
        async close() {
          readings.delete(reading)
          await reading.close()
        },
      }
    },
    async waiting(topic, group) {
      const consumer = consumerOf(group)
      try {
        const name = `${prefix}${topic}`
        const ends = (await consumer.listOffsets({ topics: [name], timestamp: -1n })).get(name) ?? []
        const committed = (
          await consumer.listCommittedOffsets({ topics: [{ topic: name, partitions: ends.map((_, partition) => partition) }] })
        ).get(name)
        return ends.reduce((sum, end, partition) => sum + Number(end - maxOf(committed?.[partition] ?? 0n, 0n)), 0)
      } finally {
        await consumer.close(true)
      }
    },
    async close() {
      await Promise.all([...readings].map((reading) => reading.close()))
      await producer?.close()
    },
  }
}

const maxOf = (a: bigint, b: bigint): bigint => (a > b ? a : b)

interface KafkaReadingOptions {
  open(): TextConsumer
  readonly topic: string
  readonly take: TakeRecords
  readonly largest: number
  readonly log: StreamsLog
}

/** One member of a group. A batch is what has come meanwhile; its partitions are taken one after the other and committed together. */
class KafkaReading implements Reading {
  readonly #options: KafkaReadingOptions
  readonly #ended: Promise<void>
  #closed = false
  #stop: () => void = () => undefined

  constructor(options: KafkaReadingOptions) {
    this.#options = options
    this.#ended = this.#run()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#stop()
    await this.#ended
  }

  async #run(): Promise<void> {
    const { log, topic } = this.#options
    while (!this.#closed) {
      try {
        await this.#membership()
      } catch (error) {
        if (this.#closed) break
        log.warn({ err: error, topic }, 'records of a stream were not taken; they come again')
        await this.#rest()
      }
    }
  }

  /** Until the records are taken; false: closed before. It stays in the group meanwhile: to leave would have all others share out anew. */
  async #patiently(records: readonly StreamRecord[]): Promise<boolean> {
    const { take, log, topic } = this.#options
    while (!this.#closed) {
      try {
        await take(records)
        return true
      } catch (error) {
        log.warn({ err: error, topic }, 'records of a stream were not taken; they come again')
        await this.#rest()
      }
    }
    return false
  }

  async #rest(): Promise<void> {
    const before = this.#stop
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, restAfterFailureMs)
      this.#stop = () => {
        clearTimeout(timer)
        before()
        resolve()
      }
    })
    this.#stop = before
  }

  /** From joining to leaving; what was not committed comes again to whoever has the partition then. */
  async #membership(): Promise<void> {
    const { open, topic, largest } = this.#options
    const consumer = open()
    try {
      const stream = await consumer.consume({
        topics: [topic],
        mode: 'committed',
        fallbackMode: 'earliest',
        autocommit: false,
        maxWaitTime: 200,
      })
      // Thrown at the next turn of the loop; the library also tells it as an event, which nobody else listens to.
      stream.on('error', () => undefined)
      this.#stop = () => void stream.close().catch(() => undefined)
      if (this.#closed) this.#stop()
      let waiting: StreamRecord[] = []
      const flush = async (): Promise<void> => {
        const records = waiting
        waiting = []
        for (const [partition, some] of Map.groupBy(records, (record) => record.partition)) {
          if (!(await this.#patiently(some))) return
          const offset = BigInt((some.at(-1) as StreamRecord).offset + 1)
          await consumer.commit({ offsets: [{ topic, partition, offset, leaderEpoch: -1 }] })
        }
      }
      for await (const { partition, offset, key, value } of stream) {
        waiting.push({ partition, offset: Number(offset), key: key ?? '', value: value ?? '' })
        // What has been read ahead is taken along; when nothing more is at hand, it is time.
        if (waiting.length >= largest || stream.readableLength === 0) await flush()
        if (this.#closed) break
      }
      if (!this.#closed) await flush()
    } finally {
      await consumer.close(true).catch(() => undefined)
    }
  }
}
