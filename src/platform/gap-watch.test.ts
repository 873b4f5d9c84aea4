import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GapWatch } from '#platform/gap-watch.ts'

/**
 * Plays writers against a reader. Each writer draws its transaction id, then some outbox ids, then commits or rolls back, at
 * any moment between the steps of others. The reader must deliver every committed id once, in order, whatever the interleaving.
 */
interface Writer {
  readonly ids: number
  readonly commits: boolean
}

test('no committed id is lost, none is told twice, whatever the order of draws, commits and rollbacks', () => {
  const writers = fc.array(fc.record<Writer>({ ids: fc.integer({ min: 1, max: 3 }), commits: fc.boolean() }), {
    minLength: 1,
    maxLength: 6,
  })
  fc.assert(
    fc.property(writers, fc.array(fc.nat(7), { maxLength: 80 }), (plans, schedule) => {
      let nextTx = 10
      let nextId = 1
      const visible: number[] = []
      const running = plans.map((plan) => ({ plan, tx: 0, drawn: [] as number[], ended: false }))
      const committed: number[] = []
      const oldest = () => Math.min(nextTx, ...running.filter(({ tx, ended }) => tx > 0 && !ended).map(({ tx }) => tx))
      const step = (index: number): void => {
        const writer = running[index % running.length]
        if (writer === undefined || writer.ended) return
        if (writer.tx === 0) writer.tx = nextTx++
        else if (writer.drawn.length < writer.plan.ids) writer.drawn.push(nextId++)
        else {
          writer.ended = true
          if (!writer.plan.commits) return
          committed.push(...writer.drawn)
          visible.push(...writer.drawn)
          visible.sort((a, b) => a - b)
        }
      }
      const gaps = new GapWatch()
      const told: number[] = []
      let cursor = 0
      const read = (): void => {
        const horizon = gaps.watching ? String(oldest()) : undefined
        const ids = visible.filter((id) => id > cursor).slice(0, 4)
        const ready = gaps.contiguous(cursor, ids, horizon)
        if (ready.length < ids.length && gaps.needsHorizon) gaps.watch(String(nextTx))
        told.push(...ready)
        cursor = ready.at(-1) ?? cursor
      }
      for (const turn of schedule) {
        if (turn === 7) read()
        else step(turn)
      }
      for (const index of running.keys()) for (let turn = 0; turn < 6; turn += 1) step(index)
      for (let turn = 0; turn < 40; turn += 1) read()
      expect(told).toEqual(committed.toSorted((a, b) => a - b))
    }),
    { numRuns: 3_000 },
  )
})
