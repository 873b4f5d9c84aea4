import { appendFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

/** What a scenario came to. `counts` are the numbers that must all be zero; `figures` tell that something happened at all. */
export interface Finding {
  readonly rounds: number
  readonly figures: Readonly<Record<string, number>>
  readonly counts: Readonly<Record<string, number>>
}

/** One row of the table of races: drawn from a seed, any number of rounds, on databases of its own. */
export type Scenario = (seed: number, rounds: number) => Promise<Finding>

/** How far a number is from the only one that is right. */
export const off = (seen: number | undefined, wanted: number): number => Math.abs((seen ?? 0) - wanted)

/** The same items in an order of the draws' own. */
export const shuffled = <Item>(items: readonly Item[], draw: (at: number) => number): Item[] =>
  items
    .map((item, index) => ({ item, at: draw(index) }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item)

/** A row of the table of races. */
interface Row {
  readonly scenario: Scenario
  readonly says: string
  /** Rounds of the short form; without it the row has a test of its own elsewhere and is played by `npm run races` alone. */
  readonly short?: number
  /** More rounds than these are not played, however many are asked for: they would take hours and show nothing new. */
  readonly most: number
}

/** Makes a test of each row, and writes what it came to where `npm run races` asks for it. */
export function playRaces(of: string, table: Readonly<Record<string, Row>>): void {
  const asked = process.env['RACES_ROUNDS']
  const seed = Number(process.env['RACES_SEED'] ?? process.env['SEED'] ?? Math.floor(Math.random() * 1e6))
  const findings = process.env['RACES_FINDINGS']
  describe(`races ${of}, seed ${seed}`, () => {
    for (const [name, row] of Object.entries(table)) {
      const rounds = asked === undefined ? row.short : Math.min(row.most, Number(asked))
      if (rounds === undefined) continue
      test(`${row.says} (${name}, ${rounds} rounds)`, { timeout: 120_000 + rounds * 1_000 }, async () => {
        const from = performance.now()
        const finding = await row.scenario(seed, rounds)
        const seconds = Math.round((performance.now() - from) / 100) / 10
        if (findings !== undefined) appendFileSync(findings, `${JSON.stringify({ name, seconds, ...finding })}\n`)
        // A run in which nothing happened proves nothing.
        expect(Object.values(finding.figures).some((figure) => figure > 0)).toBe(true)
        expect(Object.entries(finding.counts).filter(([, count]) => count !== 0)).toEqual([])
      })
    }
  })
}
