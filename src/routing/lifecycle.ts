import { defineLifeCycle } from '#kernel/lifecycle.ts'

export type AssignmentState = 'waiting' | 'assigned' | 'released'

export const assignmentLifeCycle = defineLifeCycle<AssignmentState>({
  name: 'assignment',
  initial: 'waiting',
  states: {
    waiting: { about: 'has no place on a truck yet, for a reason in numbers' },
    assigned: { about: 'has a place on a truck and in a quota' },
    released: { about: 'gave its places back: cancelled, or another attempt takes over', end: true },
  },
  transitions: [
    { from: ['waiting'], to: 'assigned', by: 'assign' },
    { from: ['waiting', 'assigned'], to: 'released', by: 'release' },
  ],
})
