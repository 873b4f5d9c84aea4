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

export type RouteState = 'open' | 'locked' | 'departed' | 'ended' | 'dropped'

export const routeLifeCycle = defineLifeCycle<RouteState>({
  name: 'route',
  initial: 'open',
  states: {
    open: { about: 'takes waybills, and may be planned anew' },
    locked: { about: 'stays as it is: goods are being put in its order' },
    departed: { about: 'is on the road' },
    ended: { about: 'its truck is back', end: true },
    dropped: { about: 'has nothing left to bring, and frees its truck', end: true },
  },
  transitions: [
    { from: ['open'], to: 'locked', by: 'lock' },
    { from: ['locked'], to: 'open', by: 'unlock' },
    { from: ['open', 'locked'], to: 'departed', by: 'depart' },
    { from: ['departed'], to: 'ended', by: 'end' },
    { from: ['open', 'locked'], to: 'dropped', by: 'drop' },
  ],
})
