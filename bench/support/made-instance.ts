import type { Instance } from '#solver'

/** A vehicle-routing instance of our own: customers in clusters and scattered, half of them with narrow windows around when a vehicle could be there. */
export function madeInstance({ seed, customers }: { seed: number; customers: number }): Instance {
  let state = seed * 2_654_435_761
  const random = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
  const day = 10_000
  const centres = Array.from({ length: 8 }, () => ({ x: random() * 1000, y: random() * 1000 }))
  const points = Array.from({ length: customers + 1 }, (_, at) => {
    const centre = centres[Math.floor(random() * centres.length)] ?? { x: 0, y: 0 }
    if (at === 0) return { x: 500, y: 500 }
    return random() < 0.5 ? { x: random() * 1000, y: random() * 1000 } : { x: centre.x + random() * 60, y: centre.y + random() * 60 }
  })
  const size = customers + 1
  const durations = new Int32Array(size * size)
  for (const [row, from] of points.entries()) {
    for (const [column, to] of points.entries()) durations[row * size + column] = Math.floor(Math.hypot(from.x - to.x, from.y - to.y))
  }
  const windows = points.map((_, at) => {
    if (at === 0 || random() < 0.5) return { opens: 0, closes: at === 0 ? day : day - 1500 }
    const middle = 1000 + random() * (day - 3500)
    return { opens: Math.floor(Math.max(0, middle - 400)), closes: Math.floor(middle + 400) }
  })
  return {
    name: `made-${seed}`,
    vehicles: customers,
    capacity: 200,
    size,
    durations,
    demand: points.map((_, at) => (at === 0 ? 0 : 1 + Math.floor(random() * 30))),
    opens: windows.map(({ opens }) => opens),
    closes: windows.map(({ closes }) => closes),
    service: points.map((_, at) => (at === 0 ? 0 : 90)),
  }
}
