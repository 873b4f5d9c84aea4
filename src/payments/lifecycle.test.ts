import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { attemptCycle, bindingCycle, followUpCycle, legCycle, requestCycle } from './lifecycle.ts'

describe('life cycles of payments', () => {
  test('the tables of the database allow exactly the states that are declared', () => {
    const first = readFileSync('migrations/payments/0002_payments.sql', 'utf8')
    const later = readFileSync('migrations/payments/0003_plans.sql', 'utf8')
    const createIn = (sql: string, table: string) => sql.split(`create table payments.${table} (`)[1]?.split('\n);')[0] ?? ''
    const constraintIn = (name: string) => later.split(`add constraint ${name} check`)[1]?.split(';')[0] ?? ''
    for (const [table, body, cycle] of [
      ['request', createIn(first, 'request'), requestCycle],
      ['leg', createIn(first, 'leg'), legCycle],
      ['attempt', constraintIn('attempt_state_check'), attemptCycle],
      ['follow_up', constraintIn('follow_up_state'), followUpCycle],
      ['binding', createIn(later, 'binding'), bindingCycle],
    ] as const) {
      const listed = /state in \(([^)]+)\)/
        .exec(body)?.[1]
        ?.match(/'(\w+)'/g)
        ?.map((quoted) => quoted.slice(1, -1))
      expect(listed, table).toEqual(cycle.stateNames)
    }
  })

  test('what is unknown ends only in what a gateway can say, never in a new sending', () => {
    expect(attemptCycle.transitions.filter((row) => row.from.includes('unknown')).map((row) => row.to)).toEqual([
      'requires_action',
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
