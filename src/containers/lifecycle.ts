import { defineLifeCycle } from '#kernel/lifecycle.ts'

export type ContainerState = 'empty' | 'packed' | 'lost' | 'retired'

/**
 * `packed` lasts until somebody has looked in and says `empty`: taking out the last thing that we know of proves nothing about a
 * forgotten one.
 */
export const containerLifeCycle = defineLifeCycle<ContainerState>({
  name: 'container',
  initial: 'empty',
  states: {
    empty: { about: 'ready to be packed; holds nothing' },
    packed: { about: 'something was put in since it was last emptied' },
    lost: { about: 'cannot be found; what was in it is in it still' },
    retired: { about: 'broken or sold; out of use for good', end: true },
  },
  transitions: [
    { from: ['empty'], to: 'packed', by: 'pack' },
    { from: ['packed'], to: 'empty', by: 'empty' },
    { from: ['empty', 'packed'], to: 'lost', by: 'lose' },
    { from: ['lost'], to: 'packed', by: 'find' },
    { from: ['empty', 'lost'], to: 'retired', by: 'retire' },
  ],
})
