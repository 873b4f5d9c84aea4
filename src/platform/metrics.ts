import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { Histogram } from '#platform/histogram.ts'
import type { Traffic } from '#platform/request-context.ts'

/**
 * Metrics for Prometheus. Whoever makes one here gets the label `traffic` with it and cannot record without saying which:
 * a rehearsal must never raise an alarm for live, nor hide behind live's numbers.
 */
export interface Metrics {
  readonly contentType: string
  /** The text of a scrape. */
  text(): Promise<string>
  counter<L extends string>(
    name: string,
    help: string,
    labels: readonly L[],
  ): (traffic: Traffic, labels: Record<L, string>, by?: number) => void
  histogram<L extends string>(
    name: string,
    help: string,
    options: { labels: readonly L[]; buckets: readonly number[] },
  ): (traffic: Traffic, labels: Record<L, string>, value: number) => void
  /** A level that is asked for at each scrape. */
  gauge<L extends string>(
    name: string,
    help: string,
    labels: readonly L[],
    read: () => Promise<readonly Level<L>[]> | readonly Level<L>[],
  ): void
}

export interface Level<L extends string> {
  readonly traffic: Traffic
  readonly labels: Record<L, string>
  readonly value: number
}

/** From half a millisecond to ten seconds, closest where our aims lie: 10 ms for a statement, 20 ms for a request. */
export const secondsBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.06, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const
export const sizeBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096] as const

const prefix = 'throughline_'

export function openMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const histograms: Histogram[] = []
  const named = (name: string) => `${prefix}${name}`
  return {
    contentType: registry.contentType,
    text: async () => `${await registry.metrics()}\n${histograms.map((histogram) => histogram.text()).join('\n')}`,
    counter(name, help, labels) {
      const counter = new Counter({ name: named(name), help, labelNames: ['traffic', ...labels], registers })
      return (traffic, values, by = 1) => counter.inc({ traffic, ...values }, by)
    },
    histogram(name, help, { labels, buckets }) {
      const histogram = new Histogram(named(name), help, ['traffic', ...labels], buckets)
      histograms.push(histogram)
      return (traffic, values, value) => histogram.observe({ traffic, ...values }, value)
    },
    gauge(name, help, labels, read) {
      new Gauge({
        name: named(name),
        help,
        labelNames: ['traffic', ...labels],
        registers,
        async collect() {
          const levels = await read()
          // Without the reset a level whose label is gone (a consumer removed) would stay at its last value for ever.
          this.reset()
          for (const level of levels) this.set({ traffic: level.traffic, ...level.labels }, level.value)
        },
      })
    },
  }
}
