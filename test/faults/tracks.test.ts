import { expect, test } from 'vitest'
import { runTracks } from './tracks-run.ts'

// 10,000 facts and two kills here; the full run is `npm run tracks -- --events 1000000 --kills 12 --seed N`.
const events = Number(process.env['EVENTS'] ?? 10_000)
const kills = Number(process.env['KILLS'] ?? 2)
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e6))

test(`${events} facts, shuffled and repeated three times, with ${kills} kills, leave every parcel where the facts in order leave it`, {
  timeout: 180_000,
}, async () => {
  console.log(`tracks: seed ${seed}`)
  const report = await runTracks({ events, kills, seed })
  console.log(JSON.stringify({ ...report, breaks: report.breaks.length }))
  expect(report.breaks.slice(0, 10)).toEqual([])
  expect({ lost: report.lost, doubled: report.doubled, different: report.different }).toEqual({ lost: 0, doubled: 0, different: 0 })
  // A run in which nothing happened proves nothing.
  expect(report.killed.server + report.killed.postgres + report.killed.both).toBe(kills)
  expect(report.retries).toBeGreaterThan(0)
})
