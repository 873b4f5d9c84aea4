import type { Config } from '#platform/config.ts'
import type { Databases } from '#platform/database.ts'
import type { Metrics } from '#platform/metrics.ts'
import { bothTraffics, type Traffic } from '#platform/request-context.ts'
import type { Reading, Streams } from '#platform/streams.ts'
import { openKafkaStreams } from '#platform/streams-kafka.ts'
import { openPostgresStreams } from '#platform/streams-postgres.ts'
import type { Tracking } from '#tracking'
import { houseScope } from './check.ts'

/** Facts by stream: by Kafka where it is configured, else by the log table. */
export interface TrackFeeds {
  /** The stream that is read, for those in the house that write into it. */
  readonly topic: string
  streamsOf(traffic: Traffic): Streams
  start(): void
  /** Takes no more. */
  stop(): Promise<void>
  close(): Promise<void>
}

export interface TrackFeedsOptions {
  readonly config: Pick<Config, 'kafkaBrokers' | 'trackTopic'>
  readonly databases: Databases
  readonly tracking: Tracking
  readonly metrics: Metrics
  readonly log: { warn(facts: object, message: string): void }
}

const group = 'tracking'

export function openTrackFeeds({ config, databases, tracking, metrics, log }: TrackFeedsOptions): TrackFeeds {
  const topic = config.trackTopic
  const opened = new Map<Traffic, Streams>()
  const streamsOf = (traffic: Traffic): Streams => {
    const known = opened.get(traffic)
    if (known !== undefined) return known
    const streams =
      config.kafkaBrokers === undefined
        ? openPostgresStreams({ database: databases.of('tracking'), scope: houseScope(traffic), log })
        : openKafkaStreams({ brokers: config.kafkaBrokers.split(','), prefix: traffic === 'live' ? '' : 'shadow.', log })
    opened.set(traffic, streams)
    return streams
  }
  const taken = metrics.counter('track_fed_facts_total', 'Facts from streams, by what became of them.', ['outcome'])
  const readings: Reading[] = []
  return {
    topic,
    streamsOf,
    start() {
      for (const traffic of bothTraffics)
        readings.push(
          streamsOf(traffic).read(topic, group, async (records) => {
            const fed = records.map(({ partition, offset, value }) => ({ position: `${partition}/${offset}`, body: value }))
            // Repeatable: a fact that was committed finds itself.
            const done = await databases
              .of('tracking')
              .write(houseScope(traffic), (context) => tracking.takeRecords(context, topic, fed), { repeatable: true })
            for (const outcome of ['added', 'known', 'refused'] as const) taken(traffic, { outcome }, done[outcome])
          }),
        )
    },
    stop: async () => void (await Promise.all(readings.splice(0).map((reading) => reading.close()))),
    close: async () => void (await Promise.all([...opened.values()].map((streams) => streams.close()))),
  }
}
