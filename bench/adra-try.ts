import { adraDay } from './support/adra-city.ts'
import { planInMemory } from './support/adra-memory.ts'
const zones = Number(process.argv[2] ?? 6)
const day = adraDay({ seed: 1, date: '2026-03-03', zones, trucks: zones * 15, waybills: zones * 3000 })
const r = await planInMemory(day, {
  attemptsPerDoor: Number(process.argv[3] ?? 5),
  workers: Number(process.argv[4] ?? 1),
  now: new Date('2026-03-02T09:00:00Z'),
})
console.log({ ...r, broken: r.broken.length, first: r.broken.slice(0, 3) })
