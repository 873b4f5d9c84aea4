import { deepest, type Inside } from './containment-store.ts'

/** What is inside what, as far as a batch of nestings can touch it. Decisions change it, so that each sees those before it. */
export class Nesting {
  readonly #parents = new Map<number, number>()
  readonly #children = new Map<number, Set<number>>()

  constructor(edges: readonly Inside[]) {
    for (const { childId, parentId } of edges) this.put(childId, parentId)
  }

  parentOf(containerId: number): number | undefined {
    return this.#parents.get(containerId)
  }

  /** Why a child can not be put into a parent, if so. */
  problemOf(childId: number, parentId: number): 'cycle' | 'too_deep' | undefined {
    let above = 0
    for (let at: number | undefined = parentId; at !== undefined; at = this.#parents.get(at)) {
      if (at === childId) return 'cycle'
      above += 1
    }
    return above + this.#heightOf(childId) > deepest ? 'too_deep' : undefined
  }

  put(childId: number, parentId: number): void {
    this.takeOut(childId)
    this.#parents.set(childId, parentId)
    const siblings = this.#children.get(parentId)
    if (siblings === undefined) this.#children.set(parentId, new Set([childId]))
    else siblings.add(childId)
  }

  takeOut(childId: number): void {
    const parentId = this.#parents.get(childId)
    if (parentId !== undefined) this.#children.get(parentId)?.delete(childId)
    this.#parents.delete(childId)
  }

  /** How many containers are in each other from this one down, itself included. */
  #heightOf(containerId: number): number {
    let below = 0
    for (const childId of this.#children.get(containerId) ?? []) below = Math.max(below, this.#heightOf(childId))
    return 1 + below
  }
}
