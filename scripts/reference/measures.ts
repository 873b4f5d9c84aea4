import { type Metrics, openMetrics } from '#platform/metrics.ts'
import { platformMetrics } from '#platform/platform-metrics.ts'
import { code, type SourceFile, tableOf } from './sources.ts'

interface Measure {
  readonly name: string
  readonly kind: string
  readonly help: string
  readonly labels: readonly string[]
}

const platformFile = 'src/platform/platform-metrics.ts'

export async function metricsPage(sources: readonly SourceFile[]): Promise<string> {
  const measures = [...(await platformMeasures()), ...measuresInText(sources)].toSorted((a, b) => a.name.localeCompare(b.name, 'en'))
  return [
    '# Metrics',
    '',
    '`GET /metrics` gives them to Prometheus. Each has the label `traffic` (`live` or `shadow`), so that a rehearsal never raises an alarm',
    'for live. Beside them come the ones of Node.js itself (`process_…`, `nodejs_…`): event loop, memory, garbage collection.',
    '',
    tableOf(
      ['metric', 'kind', 'labels', 'what it tells'],
      measures.map(({ name, kind, labels, help }) => [code(name), kind, ['traffic', ...labels].map(code).join(', '), help]),
    ),
    '',
  ].join('\n')
}

/** Those of the platform, by making them: the registry knows their full names. */
async function platformMeasures(): Promise<Measure[]> {
  const registry = openMetrics()
  const made: Omit<Measure, 'help'>[] = []
  const note = (kind: string, name: string, labels: readonly string[]) => void made.push({ name, kind, labels })
  const listening: Metrics = {
    ...registry,
    counter(name, help, labels) {
      note('counter', name, labels)
      return registry.counter(name, help, labels)
    },
    histogram(name, help, options) {
      note('histogram', name, options.labels)
      return registry.histogram(name, help, options)
    },
    gauge(name, help, labels, read) {
      note('gauge', name, labels)
      registry.gauge(name, help, labels, read)
    },
  }
  const platform = platformMetrics(listening)
  platform.watchPools({ usage: () => [] } as unknown as Parameters<typeof platform.watchPools>[0])
  platform.watchJobs({ counts: async () => [] } as unknown as Parameters<typeof platform.watchJobs>[0])
  platform.watchBacklog({ backlog: async () => [] })
  const scrape = await registry.text()
  return made.map((measure) => {
    const [, name = measure.name, help = ''] = new RegExp(`^# HELP (\\S*_${measure.name}) (.*)$`, 'm').exec(scrape) ?? []
    return { ...measure, name, help }
  })
}

/** Those that other parts make for themselves, read from their text; one that can not be read is an error, not a hole. */
function measuresInText(sources: readonly SourceFile[]): Measure[] {
  return sources
    .filter(({ path }) => path !== platformFile)
    .flatMap(({ path, text }) => {
      const calls = text.match(/\bmetrics\.(counter|gauge|histogram)\(/g) ?? []
      const read = [...text.matchAll(/\bmetrics\.(counter|gauge|histogram)\(\s*'([^']+)',\s*'([^']+)',\s*\[([^\]]*)\]/g)]
      if (calls.length !== read.length)
        throw new Error(`${path}: a metric is made there in a form that scripts/reference/measures.ts can not read`)
      return read.map(([, kind = '', name = '', help = '', labels = '']) => ({
        name: `throughline_${name}`,
        kind,
        help,
        labels: [...labels.matchAll(/'([^']+)'/g)].map(([, label = '']) => label),
      }))
    })
}
