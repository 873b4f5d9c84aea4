interface Series {
  /** Counts by bucket, not yet summed up; the last is for what is above all bounds. */
  readonly counts: Float64Array
  readonly lines: readonly string[]
  readonly sumLine: string
  readonly countLine: string
  sum: number
}

const escaped = (value: string): string => value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')

/**
 * A histogram in Prometheus's text format (https://prometheus.io/docs/instrumenting/exposition_formats/). With a bucket for each of hundreds of
 * statements a scrape is thousands of lines: prom-client makes objects of all of them, 30 to 60 ms in which nobody is answered. Here all but the
 * number of a line is made once, when its labels are first seen.
 */
export class Histogram {
  readonly #name: string
  readonly #help: string
  readonly #labels: readonly string[]
  readonly #bounds: readonly number[]
  readonly #series = new Map<string, Series>()

  /** `bounds` rise; a value is counted in the first that is not below it. */
  constructor(name: string, help: string, labels: readonly string[], bounds: readonly number[]) {
    this.#name = name
    this.#help = help
    this.#labels = labels
    this.#bounds = bounds
  }

  observe(values: Readonly<Record<string, string>>, value: number): void {
    let key = ''
    for (const label of this.#labels) key += `${values[label] ?? ''}\n`
    let series = this.#series.get(key)
    if (series === undefined) this.#series.set(key, (series = this.#open(values)))
    let at = 0
    while (at < this.#bounds.length && value > (this.#bounds[at] as number)) at += 1
    series.counts[at] = (series.counts[at] as number) + 1
    series.sum += value
  }

  text(): string {
    let text = `# HELP ${this.#name} ${this.#help}\n# TYPE ${this.#name} histogram\n`
    for (const { counts, lines, sumLine, countLine, sum } of this.#series.values()) {
      let count = 0
      for (const [at, line] of lines.entries()) {
        count += counts[at] as number
        text += `${line}${count}\n`
      }
      text += `${sumLine}${sum}\n${countLine}${count}\n`
    }
    return text
  }

  #open(values: Readonly<Record<string, string>>): Series {
    const labels = this.#labels.map((label) => `${label}="${escaped(values[label] ?? '')}"`).join(',')
    return {
      counts: new Float64Array(this.#bounds.length + 1),
      lines: [...this.#bounds.map(String), '+Inf'].map((bound) => `${this.#name}_bucket{le="${bound}",${labels}} `),
      sumLine: `${this.#name}_sum{${labels}} `,
      countLine: `${this.#name}_count{${labels}} `,
      sum: 0,
    }
  }
}
