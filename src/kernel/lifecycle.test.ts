import { describe, expect, test } from 'vitest'
import { defineLifeCycle, diagramOf, type LifeCycleTable } from '#kernel/lifecycle.ts'

type State = 'new' | 'open' | 'done'
const table = (changes: Partial<LifeCycleTable<State>> = {}): LifeCycleTable<State> => ({
  name: 'thing',
  initial: 'new',
  states: { new: { about: 'made' }, open: { about: 'in work' }, done: { about: 'over', end: true } },
  transitions: [
    { from: ['new'], to: 'open', by: 'start' },
    { from: ['new', 'open'], to: 'done', by: 'finish' },
  ],
  ...changes,
})

describe('a life cycle', () => {
  test('answers from its table', () => {
    const cycle = defineLifeCycle(table())
    expect(cycle.canMove('new', 'done')).toBe(true)
    expect(cycle.canMove('open', 'new')).toBe(false)
    expect(cycle.sourcesOf('done')).toEqual(['new', 'open'])
    expect([cycle.isState('open'), cycle.isState('closed')]).toEqual([true, false])
    expect(diagramOf(cycle)).toContain('new --> open: start')
  })

  test.each([
    [
      'a state that nothing leads to',
      { transitions: [{ from: ['new' as const], to: 'done' as const, by: 'finish' }] },
      'open can never be reached',
    ],
    [
      'a dead end that is not marked as an end',
      { states: { new: { about: '' }, open: { about: '' }, done: { about: '' } } },
      'done is a dead end',
    ],
    [
      'a way out of an end',
      { transitions: [...table().transitions, { from: ['done' as const], to: 'open' as const, by: 'reopen' }] },
      'done is an end',
    ],
    [
      'a move to itself',
      { transitions: [...table().transitions, { from: ['open' as const], to: 'open' as const, by: 'stay' }] },
      'open moves to itself',
    ],
    [
      'an unknown state',
      { transitions: [...table().transitions, { from: ['open' as const], to: 'gone' as 'done', by: 'go' }] },
      'unknown state gone',
    ],
  ])('is refused at start for %s', (_about, changes, problem) => {
    expect(() => defineLifeCycle(table(changes))).toThrow(problem)
  })
})
