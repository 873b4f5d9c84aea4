import { expect, it } from 'vitest'
import { runPartners } from './partners-run.ts'

// A second each here; the ten minutes of the bar are `npm run partners -- --away 600`.
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e6))

it('with the warehouse away, the broker killed and the broker hanging, nothing is lost, nothing done twice, and orders go on', {
  timeout: 720_000,
}, async ({ skip }) => {
  console.log(`partners: seed ${seed}`)
  const report = await runPartners({ awayMs: 1_000, seed })
  if (report === undefined) return skip('this machine has no RabbitMQ')
  console.log(JSON.stringify({ ...report, breaks: report.breaks.length }))
  expect(report.breaks.slice(0, 20)).toEqual([])
  expect({ lost: report.lost, doubled: report.doubled }).toEqual({ lost: 0, doubled: 0 })
  // A run in which nothing happened proves nothing.
  expect(report.placedWhileAway).toBeGreaterThan(25)
  expect(report.messages).toBeGreaterThan(report.waybills * 7)
})
