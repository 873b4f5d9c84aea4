import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { attemptCycle, legCycle, refundCycle, requestCycle } from './lifecycle.ts'

describe('life cycles of payments', () => {
  test('the tables of the database allow exactly the states that are declared', () => {
    const sql = readFileSync('migrations/payments/0002_payments.sql', 'utf8')
    for (const [table, cycle] of Object.entries({ request: requestCycle, leg: legCycle, attempt: attemptCycle, refund: refundCycle })) {
      const body = sql.split(`create table payments.${table} (`)[1]?.split('\n);')[0]?.split('create table')[0] ?? ''
      const listed = /state in \(([^)]+)\)/
        .exec(body)?.[1]
        ?.match(/'(\w+)'/g)
        ?.map((quoted) => quoted.slice(1, -1))
      expect(listed, table).toEqual(cycle.stateNames)
    }
  })

  test('what is unknown ends only in what a gateway can say, never in a new sending', () => {
    expect(attemptCycle.transitions.filter((row) => row.from.includes('unknown')).map((row) => row.to)).toEqual([
      'succeeded',
      'declined_soft',
      'declined_hard',
      'unreachable',
    ])
  })

  test('a success is final', () => {
    expect(attemptCycle.stateNames.filter((to) => attemptCycle.canMove('succeeded', to))).toEqual([])
  })
})
