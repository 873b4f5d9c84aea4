import { describe, expect, test } from 'vitest'
import { tally } from './fault-house.ts'
import { runKillNine } from './kill-run.ts'

// Three kills here, one of each kind; the full run of twenty is `node test/faults/run-kill-nine.ts --kills 20 --seed N`.
const kills = Number(process.env['KILLS'] ?? 3)
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e6))

describe('kill -9 of server and PostgreSQL in the middle of load', () => {
  test(`after ${kills} kills every acknowledged order is there once, the gateway's log agrees, and check is green`, {
    timeout: 360_000 + kills * 15_000,
  }, async () => {
    console.log(`kill -9: seed ${seed}`)
    const report = await runKillNine({ kills, seed })
    console.log(JSON.stringify({ ...report, breaks: report.breaks.length }))
    expect(report.breaks.slice(0, 20)).toEqual([])
    expect({ lost: report.lost, doubled: report.doubled }).toEqual({ lost: 0, doubled: 0 })
    // A run in which nothing happened proves nothing.
    expect(report.killed.server + report.killed.postgres + report.killed.both).toBe(kills)
    expect(report.acknowledged).toBeGreaterThan(kills * 20)
    expect(report.movements).toBeGreaterThan(kills * 15)
    expect(report.retries).toBeGreaterThan(0)
    expect(report.moves).toBeGreaterThan(0)
  })

  test('an acknowledged order that is not stored counts as lost, and a second one under its key as doubled', () => {
    const told = {
      numbers: new Map([
        ['a', 'TL-1'],
        ['b', 'TL-2'],
        ['c', 'TL-3'],
      ]),
    }
    const stored = [
      { key: 'a', number: 'TL-1' },
      { key: 'b', number: 'TL-9' },
      { key: 'a', number: 'TL-8' },
      { key: 'd', number: 'TL-4' },
    ]
    expect(tally(stored, told)).toEqual({ lost: 2, doubled: 3 })
    expect(tally([{ key: 'a', number: 'TL-1' }], { numbers: new Map([['a', 'TL-1']]) })).toEqual({ lost: 0, doubled: 0 })
  })
})
